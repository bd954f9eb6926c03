package packaging_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/db/postgres"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/settings"
	"github.com/esolutions/esmon/services/tsdb"
)

// connect opens the database as a role, in a registry of its own.
func connect(t *testing.T, dsn string) (*postgres.DB, *prometheus.Registry) {
	t.Helper()
	cfg, reg := postgres.DefaultConfig(), prometheus.NewRegistry()
	cfg.DSN = settings.Secret(dsn)
	db, err := postgres.Open(t.Context(), cfg, slog.New(slog.DiscardHandler), reg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db, reg
}

// alertingWorks has the two roles do what their processes do: one follows agents and
// data, leads and commits, the other delivers what was committed.
func alertingWorks(t *testing.T, alertingDSN, dispatchDSN string) {
	t.Helper()
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	db, reg := connect(t, alertingDSN)
	log := slog.New(slog.DiscardHandler)
	_, err := tsdb.Open(t.Context(), tsdb.DefaultConfig(), db.Chunks(), log, reg)
	must("follow what is stored", err)
	_, err = control.Open(t.Context(), control.DefaultConfig(), control.Deps{Store: db.Control(), Shared: true, Leases: db.Leases()}, log, reg)
	must("follow the registry", err)
	_, err = db.Leases().Take(t.Context(), "alerting/leader", "alerting-1", time.Minute)
	must("take the lease", err)

	labels := metric.NewLabels(metric.Label{Name: alert.NameLabel, Value: "DiskFull"})
	key := alert.KeyOf("rule", labels)
	a := db.Alerts()
	epoch, _, err := a.Lead(t.Context(), "alerting-1")
	must("lead", err)
	must("commit", a.Commit(t.Context(), epoch, &alert.Commit{
		Progress: []alert.Progress{{Group: "g", Evaluated: 1}},
		Alerts:   []alert.Alert{{Key: key, RuleID: "rule", Labels: labels, State: alert.Firing, Active: 1, Fired: 1}},
		Episodes: []alert.Episode{{Key: key, RuleID: "rule", Labels: labels, Active: 1, Fired: 1}},
		Events:   []alert.Event{{Key: key, Time: 1, Kind: alert.EventFiring}},
		Groups:   []alert.Group{{Key: "group", Doc: []byte("{}")}},
		Notify:   []alert.Notification{{ID: "n1", Receiver: "operators", Order: "group", Keys: []alert.Key{key}, Alerts: 1, Payload: []byte("{}"), Created: 1}},
	}))
	must("silence", a.PutSilence(t.Context(), alert.Silence{ID: "s1", Start: 1, End: 2}))
	must("acknowledge", a.PutAcks(t.Context(), []alert.Ack{{Key: key}}, nil))
	must("forget silences", a.PurgeSilences(t.Context(), 10))

	db, _ = connect(t, dispatchDSN)
	outbox := db.Alerts()
	list, err := outbox.Unpublished(t.Context(), 10)
	if err != nil || len(list) != 1 {
		t.Fatalf("dispatch sees %d notifications, %v", len(list), err)
	}
	must("publish", outbox.Published(t.Context(), []string{"n1"}))
	_, err = outbox.Begin(t.Context(), "n1", alert.Claim{Holder: "dispatch-1", Now: 10, Until: 20})
	must("claim", err)
	must("finish", outbox.Finish(t.Context(), "n1", alert.Attempt{Time: 10, Delivered: true}, alert.Delivered, 0))
	_, err = a.PurgeHistory(t.Context(), time.Now().Add(time.Hour).UnixMilli(), 100)
	must("forget history", err)
}
