package control_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/esolutions/esmon/services/control"
)

// fleet is a store with that many agents; reading fails from the page after the
// agent failAfter on.
type fleet struct {
	control.Store
	agents    int
	failAfter string
}

func (f fleet) ScanAgents(_ context.Context, after string, limit int) ([]control.Agent, error) {
	if f.failAfter != "" && after >= f.failAfter {
		return nil, errors.New("disk failed")
	}
	from := 0
	if after != "" {
		if _, err := fmt.Sscanf(after, "agent%06d", &from); err != nil {
			return nil, err
		}
		from++
	}
	var page []control.Agent
	for i := from; i < f.agents && len(page) < limit; i++ {
		page = append(page, control.Agent{ID: fmt.Sprintf("agent%06d", i), Tags: map[string]string{}})
	}
	return page, nil
}

func TestOpenReadsTheWholeFleet(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 4999, 5000, 5001, 12345} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, newClock(), nil)
			opened, err := control.Open(t.Context(), r.cfg, control.Deps{Store: fleet{Store: r.store, agents: n}, Authority: r.authority}, r.log, prometheus.NewRegistry())
			must(t, err)
			if got, _ := opened.Counts(); got != n {
				t.Errorf("%d agents, want %d", got, n)
			}
		})
	}
	t.Run("a page that cannot be read", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, newClock(), nil)
		_, err := control.Open(t.Context(), r.cfg, control.Deps{Store: fleet{r.store, 9000, "agent000100"}, Authority: r.authority}, r.log, prometheus.NewRegistry())
		if err == nil || !strings.Contains(err.Error(), "read the registry of agents: disk failed") {
			t.Errorf("got %v", err)
		}
	})
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := newRig(t, c, nil)
	names := []string{
		"esmon_agents", "esmon_agents_enrolled_total", "esmon_agent_certificates_renewed_total", "esmon_control_agent_connects_total",
		"esmon_control_agent_certificate_expiry_min_timestamp_seconds",
	}
	first := r.enrol("web-1")
	c.Add(day)
	second := r.enrol("web-2")
	expiry := names[4]
	if got := r.metric(expiry); got != -1 {
		t.Errorf("%s is %v though nobody is connected", expiry, got)
	}
	r.connect(second, 0, 1)
	if got, want := r.metric(expiry), float64(c.Now().Add(30*day).Unix()); got != want {
		t.Errorf("%s is %v, want %v", expiry, got, want)
	}
	r.connect(first, 0, 1)
	if got, want := r.metric(expiry), float64(c.Now().Add(29*day).Unix()); got != want {
		t.Errorf("%s is %v, want %v", expiry, got, want)
	}
	for name, want := range map[string]float64{names[1]: 2, names[2]: 0, names[3]: 2} {
		if got := r.metric(name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if n, err := testutil.GatherAndCount(r.reg, names[0]); err != nil || n != 5 {
		t.Errorf("%d states, %v", n, err)
	}
	problems, err := testutil.GatherAndLint(r.reg)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	if _, err := control.Open(t.Context(), r.cfg, control.Deps{Store: r.store, Authority: r.authority}, r.log, r.reg); err == nil ||
		!strings.Contains(err.Error(), "register metrics of the registry of agents") {
		t.Errorf("two registries on one set of metrics: %v", err)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	good := control.DefaultConfig()
	if err := good.Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	var none control.Config
	err := none.Validate()
	if err == nil {
		t.Fatal("a configuration of zeros was accepted")
	}
	want := []string{
		"max_agents: must be at least 1", "max_tokens: must be at least 1", "max_token_life: must be at least 1m0s", "flush_interval: must be at least 100ms",
		"enrol_failures: must be at least 1", "enrol_pause: must be at least 1ms", "forget_after: must be at least 1h0m0s",
	}
	if got := strings.Split(err.Error(), "\n"); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
