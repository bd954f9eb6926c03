package cluster_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/esolutions/esmon/services/fault"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantFault checks kind and reason of an error that came over gRPC, and that the
// message has the texts.
func wantFault(t *testing.T, err error, kind fault.Kind, reason string, texts ...string) {
	t.Helper()
	f := fault.FromGRPC(err)
	if f == nil || f.Kind != kind || f.Reason != reason {
		t.Fatalf("got %v, want %v %s", err, kind, reason)
	}
	for _, text := range texts {
		if !strings.Contains(f.Message, text) {
			t.Errorf("%s: the message %q lacks %q", reason, f.Message, text)
		}
	}
}

// wantText checks that an error says these things.
func wantText(t *testing.T, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("accepted, want %q", texts)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("the message %q lacks %q", err, text)
		}
	}
}

// eventually waits until what is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it did not come that %s", what)
		}
	}
}

// metric returns the value of a counter or gauge, of the one with that reason if
// there are several; 0 if there is none.
func metric(t *testing.T, reg *prometheus.Registry, name, reason string) float64 {
	t.Helper()
	families, err := reg.Gather()
	must(t, err)
	for _, f := range families {
		if f.GetName() != "esmon_cluster_"+name {
			continue
		}
		for _, m := range f.GetMetric() {
			if l := m.GetLabel(); (len(l) == 0 && reason == "") || (len(l) == 1 && l[0].GetValue() == reason) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return 0
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func newRegistry() *prometheus.Registry { return prometheus.NewRegistry() }
