package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/e2e/platform"
	"github.com/esolutions/esmon/services/e2e/sink"
)

// TestKillsInAClusterLoseAndDoubleNoNotification kills what evaluates, what delivers,
// the broker and the database of a clustered platform while hosts fail and recover.
// ESMON_ALERT_CHANGES makes it longer.
func TestKillsInAClusterLoseAndDoubleNoNotification(t *testing.T) {
	changes := setting(t, "ESMON_ALERT_CHANGES", 60)
	seed := uint64(setting(t, "ESMON_CHAOS_SEED", int(time.Now().UnixNano()&0xffffff)))
	t.Logf("%d changes, ESMON_CHAOS_SEED=%d", changes, seed)
	random := rand.New(rand.NewPCG(seed, 0))
	hook, err := sink.NewWebhook()
	if err != nil {
		t.Fatal(err)
	}
	defer hook.Close()
	p := startPlatform(t, platform.Options{Alerting: 2, Dispatch: 2, Files: writeAlerting(t, eachChange(hook.URL()))})
	hosts := &script{random: rand.New(rand.NewPCG(seed, 1)), hosts: make([]scripted, hostsFor(changes))}
	stop := runScript(t, hosts, p.AgentsAddress(), p)

	faults := alertFaults(p)
	var outages []window
	for round := 0; len(hook.Messages()) < changes || round < len(faults); round++ {
		time.Sleep(time.Second + time.Duration(random.Int64N(int64(5*time.Second))))
		f := faults[round%len(faults)]
		w := window{from: time.Now()}
		if err := f.do(t.Context()); err != nil {
			t.Fatalf("%s: %v", f.name, err)
		}
		if err := p.AwaitReady(t.Context()); err != nil {
			t.Fatalf("after %s: %v", f.name, err)
		}
		// Another takes over when the lease has run out, and then knows what is so now.
		w.to = time.Now().Add(15 * time.Second)
		outages = append(outages, w)
		t.Logf("%s: %s, %d messages so far", f.name, time.Since(w.from).Round(100*time.Millisecond), len(hook.Messages()))
	}
	hosts.calmDown()
	awaitCalm(t, p.URL(), hook)
	everyNodeKnowsTheRules(t, p.URL())
	stop()
	l := newLedger(hook.Messages())
	episodes := episodesOf(t, p.URL())
	l.check(t, episodes, outages)
	t.Logf("%d faults, %d messages, %d of them a second time under their own key, %d episodes", len(outages), len(hook.Messages()), l.again, len(episodes))
	if len(l.changes) < 15 {
		t.Errorf("only %d hosts were told about: too little was tested", len(l.changes))
	}
}

// everyNodeKnowsTheRules asks both alerting nodes in turn, of which one evaluates.
func everyNodeKnowsTheRules(t *testing.T, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	type aRule struct{ Name, Health, LastError string }
	err := platform.Eventually(ctx, func() error {
		for range 6 {
			var res struct{ Rules []aRule }
			if err := getJSON(ctx, url+"/api/v1/rules", &res); err != nil {
				return err
			}
			i := slices.IndexFunc(res.Rules, func(r aRule) bool { return r.Name == "Scripted" })
			if i < 0 {
				return errors.New("the rule is not there")
			}
			if r := res.Rules[i]; r.Health != "ok" {
				return fmt.Errorf("rule %s is %s: %s", r.Name, r.Health, r.LastError)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func getJSON(ctx context.Context, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, res.Status)
	}
	return json.NewDecoder(res.Body).Decode(into)
}

// alertFault breaks something and mends it.
type alertFault struct {
	name string
	do   func(ctx context.Context) error
}

func alertFaults(p *platform.Platform) (list []alertFault) {
	for _, x := range append(append([]*platform.Process{}, p.Alerting...), p.Dispatch...) {
		list = append(list, alertFault{"kill " + x.Name, func(ctx context.Context) error {
			if err := x.Kill(); err != nil {
				return err
			}
			return x.Start(ctx)
		}})
	}
	return append(list,
		alertFault{"kill the broker", func(ctx context.Context) error {
			if err := p.MQ.Nodes[0].Kill(); err != nil {
				return err
			}
			return p.MQ.Nodes[0].Start(ctx)
		}},
		alertFault{"kill the database", func(ctx context.Context) error {
			if err := p.Postgres.Kill(); err != nil {
				return err
			}
			return p.Postgres.Start(ctx)
		}},
	)
}
