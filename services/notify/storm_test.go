package notify_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/notify"
)

func defaultConfig() *notify.Config { return notify.DefaultConfig() }

// TestStorm has ten thousand hosts fail within ten seconds, by whatever groups.
func TestStorm(t *testing.T) {
	t.Parallel()
	for _, groupBy := range []string{"[alertname]", "[host_name]", "[...]", "[]"} {
		t.Run(groupBy, func(t *testing.T) {
			t.Parallel()
			storm(t, groupBy)
		})
	}
}

// Hosts of a storm that are found late are named soon, too.
func TestStragglersOfAStormAreNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "route: {receiver: ops}")
	w.skipTwins = true
	began := w.now
	named := map[string]time.Duration{}
	for second := range 60 {
		if second < 20 { // one comes each second after most came at once
			w.fire(fmt.Sprintf("alertname=Down,host_name=late-%02d", second))
		}
		for _, s := range w.plan() {
			for _, host := range s.m.Hosts {
				if _, known := named[host]; !known {
					named[host] = w.now.Sub(began)
				}
			}
		}
		w.now = w.now.Add(time.Second)
	}
	for host, at := range named {
		if at > 20*time.Second {
			t.Errorf("%s is named after %s", host, at)
		}
	}
	if len(named) != 20 || len(w.sent) > 5 {
		t.Errorf("%d of 20 hosts are named in %d messages", len(named), len(w.sent))
	}
}

func storm(t *testing.T, groupBy string) {
	const hosts, rounds = 10_000, 10
	w := newWorld(t, "route: {receiver: ops, group_by: "+groupBy+"}")
	w.skipTwins = true
	for round := range rounds {
		for i := range hosts / rounds {
			w.fire(fmt.Sprintf("alertname=Down,severity=critical,host_name=host-%05d", round*hosts/rounds+i))
		}
		w.plan()
		w.now = w.now.Add(time.Second)
	}
	w.run(20 * time.Second) // half a minute since it began
	named := map[string]bool{}
	for _, s := range w.sent {
		for _, host := range s.m.Hosts {
			named[host] = true
		}
	}
	if len(named) != hosts {
		t.Errorf("%d of %d hosts are named within 30 s", len(named), hosts)
	}
	w.run(10 * time.Minute)
	if len(w.sent) > 20 {
		t.Errorf("%d messages", len(w.sent))
	}

	// It ends as it began.
	ended := len(w.sent)
	for k := range w.alerts {
		w.resolve(k)
	}
	w.run(10 * time.Minute)
	if n := len(w.sent) - ended; n > 20 {
		t.Errorf("%d messages that it is over", n)
	}
	last := w.sent[len(w.sent)-1].m
	resolved := 0
	for _, s := range w.sent[ended:] {
		resolved += s.m.ResolvedN
	}
	if resolved != hosts || last.Firing != 0 || last.Status != alert.Resolved {
		t.Errorf("%d of %d alerts are told to be over; the last message has %d firing", resolved, hosts, last.Firing)
	}
	w.run(2 * time.Hour)
	if len(w.docs) != 1 {
		t.Errorf("%d documents are kept", len(w.docs))
	}
}

// Those that failed alone before the storm have threads of their own, and these are
// closed.
func TestThreadsFromBeforeAStormAreClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "route: {receiver: ops, group_by: [host_name], repeat_interval: 10d}")
	first := w.fire("alertname=Down,host_name=first")
	order := w.plan()[0].Order
	w.run(time.Hour)
	w.fire("alertname=Down,host_name=first") // again
	w.fire("alertname=Other,host_name=first")
	for i := range 100 {
		w.fire(fmt.Sprintf("alertname=Down,host_name=h%03d", i))
	}
	w.plan()
	w.run(10 * time.Second)
	if got := w.sent[len(w.sent)-1]; got.m.Kind != alert.MessageDigest || got.m.Firing != 102 {
		t.Fatalf("last: %s %s", got.m.Kind, got.Title)
	}
	w.resolve(first)
	w.resolve(key("alertname=Other,host_name=first"))
	for i := range 100 { // the storm goes on
		w.fire(fmt.Sprintf("alertname=Down,host_name=more%03d", i))
	}
	w.plan()
	i := slices.IndexFunc(w.sent, func(s sent) bool { return s.Order == order && s.m.Status == alert.Resolved })
	if i < 0 {
		t.Fatalf("the thread of the first host is not closed:\n%s", text(w.sent))
	}
	if w.sent[i].m.ResolvedN != 1 {
		t.Errorf("it says that %d are over", w.sent[i].m.ResolvedN)
	}
}

func TestDigestIsRepeatedAndCalmsDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "route: {receiver: ops, group_by: [host_name]}")
	for i := range 30 {
		w.fire(fmt.Sprintf("alertname=Down,host_name=h%03d", i))
	}
	want(t, w.plan(), "ops digest: Digest: firing: Down (30) on 30 hosts")
	want(t, w.run(3*time.Hour))
	want(t, w.run(2*time.Hour), "ops digest: Digest: still firing: Down (30) on 30 hosts")
	w.fire("alertname=Down,host_name=alone")
	want(t, w.plan(), "ops news: Firing: Down on alone")
	for i := range 30 {
		w.resolve(key(fmt.Sprintf("alertname=Down,host_name=h%03d", i)))
	}
	want(t, w.plan(), "ops digest: Digest: resolved: Down (30) on 30 hosts")
}

func TestLargeGroups(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simple)
	for i := range 10_000 {
		w.fire(fmt.Sprintf("alertname=Down,host_name=host-%05d", i))
	}
	got := w.plan()
	want(t, got, "ops news: Firing: Down (10000) on host-00000, host-00001, host-00002 and 9997 more")
	m := got[0].m
	if len(m.Alerts) != alert.MaxMessageAlerts || len(m.Hosts) != 10_000 || len(got[0].Keys) != 100 || got[0].Alerts != 10_000 {
		t.Errorf("%d alerts, %d hosts, %d keys", len(m.Alerts), len(m.Hosts), len(got[0].Keys))
	}
	for k, doc := range w.docs {
		if len(doc) > 300_000 {
			t.Errorf("the document of %s has %d bytes", k, len(doc))
		}
	}
	want(t, w.run(time.Minute))
	w.restart()
	want(t, w.run(time.Hour))
}
