package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/esolutions/esmon/agent/agent"
	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/services/metric"
)

func collectCommand(o *options) *cobra.Command {
	var only []string
	cmd := &cobra.Command{
		Use: "collect", Short: "Run the probes once and print what they read; nothing is sent", Args: noArgs,
	}
	out := outputFlag(cmd)
	cmd.Flags().StringSliceVar(&only, "probe", nil, "only these probes")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := o.load()
		if err != nil {
			return err
		}
		probes, err := agent.Probes(cfg)
		if err != nil {
			return err
		}
		if probes, err = choose(probes, only, cfg.ProbesOff); err != nil {
			return err
		}
		samples, failed := collect(cmd.Context(), probes, cfg.ProbeTimeout)
		if *out == "json" {
			err = printJSON(cmd.OutOrStdout(), samples)
		} else {
			err = printSamples(cmd.OutOrStdout(), samples)
		}
		return errors.Join(err, failed)
	}
	return cmd
}

// choose returns the probes that are named, all if none is.
func choose(probes []probe.Probe, only, off []string) ([]probe.Probe, error) {
	if len(only) == 0 {
		return probes, nil
	}
	var out []probe.Probe
	for _, name := range only {
		if slices.Contains(off, name) {
			return nil, &usageError{fmt.Errorf("probe %q is switched off: take it out of probes.off", name)}
		}
		n := len(out)
		var names []string
		for _, p := range probes {
			names = append(names, p.Name())
			if p.Name() == name {
				out = append(out, p)
			}
		}
		if len(out) == n {
			return nil, &usageError{fmt.Errorf("there is no probe %q here; there are: %s", name, strings.Join(names, ", "))}
		}
	}
	return out, nil
}

// sample is one value as it is printed.
type sample struct {
	Probe  string            `json:"probe"`
	Name   string            `json:"name"`
	Type   string            `json:"type"`
	Unit   string            `json:"unit"`
	Labels map[string]string `json:"labels"`
	Target string            `json:"target,omitempty"`
	Time   time.Time         `json:"time"`
	Value  *float64          `json:"value"` // null: not a number

	labels metric.Labels
}

// collect runs each probe once. A probe that hangs is left behind.
func collect(ctx context.Context, probes []probe.Probe, timeout time.Duration) (samples []sample, failed error) {
	type result struct {
		readings []probe.Reading
		err      error
	}
	samples = []sample{} // JSON has a list also of nothing
	for _, p := range probes {
		pctx, cancel := context.WithTimeout(ctx, timeout)
		done := make(chan result, 1)
		go func() {
			readings, err := probe.Run(pctx, p)
			done <- result{readings, err}
		}()
		select {
		case r := <-done:
			for i := range r.readings {
				samples = append(samples, samplesOf(p.Name(), &r.readings[i])...)
			}
			failed = errors.Join(failed, r.err)
		case <-pctx.Done():
			failed = errors.Join(failed, fmt.Errorf("probe %s: has not returned after %s", p.Name(), timeout))
		}
		cancel()
	}
	return samples, failed
}

// samplesOf returns the samples of a reading; what could not be read is none.
func samplesOf(name string, r *probe.Reading) (out []sample) {
	for i := range r.Schema.Columns {
		c, v := &r.Schema.Columns[i], r.Values[i]
		if metric.IsMissing(v) {
			continue
		}
		s := sample{
			Probe: name, Name: c.Name, Type: c.Type.String(), Unit: c.Unit, Target: r.Target,
			Time: time.UnixMilli(r.Time), labels: r.Labels.With(c.Labels...), Labels: map[string]string{},
		}
		for _, l := range s.labels {
			s.Labels[l.Name] = l.Value
		}
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			s.Value = &v
		}
		out = append(out, s)
	}
	return out
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

func printSamples(w io.Writer, samples []sample) error {
	t := newTable("PROBE", "METRIC", "LABELS", "VALUE", "UNIT")
	for _, s := range samples {
		value := "NaN"
		if s.Value != nil {
			value = strconv.FormatFloat(*s.Value, 'f', -1, 64)
		}
		t.row(s.Probe, s.Name, labelText(s.labels), value, s.Unit)
	}
	return t.print(w)
}

func labelText(ls metric.Labels) string {
	parts := make([]string, len(ls))
	for i, l := range ls {
		parts[i] = l.Name + "=" + strconv.Quote(l.Value)
	}
	return strings.Join(parts, " ")
}
