package route

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/esolutions/esmon/services/bus"
)

// FreshnessDeps is what a storage node knows of itself.
type FreshnessDeps struct {
	// Positions returns how far the ingest log was read into what queries see, for
	// every partition that the node reads; one that it did not begin to read has no
	// LogID. It is called several times a request.
	Positions func() []bus.Position
	// Ready returns why answers may be old, nil if they are not. Nil if that is never
	// known. It is called once a request.
	Ready func() error
}

// Freshness is the part of a storage node that says where its answers stand, and
// holds requests back until it has read as far as the session saw before. It is
// safe for concurrent use.
type Freshness struct {
	cfg     FreshnessConfig
	deps    FreshnessDeps
	metrics *nodeMetrics
}

// NewFreshness returns it.
func NewFreshness(cfg FreshnessConfig, deps FreshnessDeps, reg prometheus.Registerer) (*Freshness, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("settings of freshness: %w", err)
	}
	if deps.Positions == nil {
		return nil, errors.New("freshness needs to know the positions of the node")
	}
	m, err := newNodeMetrics(reg)
	return &Freshness{cfg: cfg, deps: deps, metrics: m}, err
}

// visit is a request at this node.
type visit struct {
	positions []bus.Position // when it began to be answered
	warnings  []string
}

// pollInterval is how often it is looked whether this node has read far enough.
const pollInterval = 10 * time.Millisecond

// begin waits until this node has read as far as the request wants, at most as long
// as the settings and the caller's patience allow.
func (f *Freshness) begin(ctx context.Context, minimum string) *visit {
	v := &visit{}
	if f.deps.Ready != nil {
		if err := f.deps.Ready(); err != nil {
			v.warnings = append(v.warnings, "this storage node is not ready, so the newest samples may be missing: "+err.Error())
		}
	}
	wanted, err := decode(minimum)
	if err != nil {
		f.metrics.malformed.Inc()
	}
	lags := behind(wanted, f.deps.Positions())
	if waitable(lags) {
		lags = f.wait(ctx, wanted)
	}
	if len(lags) > 0 {
		v.warnings = append(v.warnings, lagText(lags))
	}
	v.positions = f.deps.Positions()
	return v
}

// waitable tells whether waiting can help: a partition that is not read at all will
// not be.
func waitable(lags []lag) bool {
	for _, l := range lags {
		if l.records > 0 {
			return true
		}
	}
	return false
}

// wait returns where this node is behind after waiting for it.
func (f *Freshness) wait(ctx context.Context, wanted []bus.Position) []lag {
	patience := f.cfg.Wait
	if deadline, ok := ctx.Deadline(); ok {
		patience = min(patience, time.Until(deadline)/2)
	}
	began := time.Now()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		lags := behind(wanted, f.deps.Positions())
		enough := !waitable(lags)
		if enough || time.Since(began) >= patience || ctx.Err() != nil {
			f.metrics.waited.Add(time.Since(began).Seconds())
			outcome := "reached"
			if !enough {
				outcome = "behind"
			}
			f.metrics.waits.WithLabelValues(outcome).Inc()
			return lags
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// position returns what was read for certain when the request was answered. The
// second look is for a node that took up its database anew meanwhile, and stands
// behind where it stood.
func (f *Freshness) position(v *visit) string {
	return encode(lowest(v.positions, f.deps.Positions()))
}

// maxLagsTold is how many partitions a warning names.
const maxLagsTold = 3

func lagText(lags []lag) string {
	var parts []string
	for _, l := range lags[:min(len(lags), maxLagsTold)] {
		if l.records == 0 {
			parts = append(parts, "all records of partition "+strconv.Itoa(l.partition)+", which it does not read")
			continue
		}
		parts = append(parts, fmt.Sprintf("%d records of partition %d", l.records, l.partition))
	}
	text := strings.Join(parts, ", ")
	if more := len(lags) - maxLagsTold; more > 0 {
		text += fmt.Sprintf(" and those of %d more partitions", more)
	}
	return "this storage node is behind the one that answered before, by " + text + "; the newest samples may be missing"
}
