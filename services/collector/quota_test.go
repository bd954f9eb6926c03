package collector_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/collector"
	"github.com/esolutions/esmon/services/metric"
)

func TestQuotasNameTheOffenderAndTheSetting(t *testing.T) {
	for _, c := range []struct {
		name   string
		set    func(*collector.Config)
		parts  []part
		reason string
		says   []string
		stored int
	}{
		{
			"entities", func(c *collector.Config) { c.MaxEntities = 3 },
			[]part{schema(1, "a"), manyEntities(1, 5, 1)}, "agent_entity_quota", []string{"agent a has 3 entities", "max_entities"}, 3,
		},
		{
			"series", func(c *collector.Config) { c.MaxSeries = 6 },
			[]part{schema(1, "a"), schema(2, "b", "c"), manyEntities(1, 4, 1), frame(1, 2, 1, 2), frame(2, 2, 1, 2), frame(1, 1, 5)},
			"agent_series_quota", []string{"agent a has 6 series", "max_series", "would add 2"}, 6,
		},
		{
			"schemas", func(c *collector.Config) { c.MaxSchemas = 2 },
			[]part{schema(1, "a"), schema(2, "b"), schema(3, "c"), schema(3, "c"), schema(4, "d"), schema(5, "e"), entity(1, ""), frame(1, 1, 1), frame(1, 2, 1), frame(1, 3, 1), frame(1, 5, 1)},
			"agent_schema_quota", []string{"agent a defined 2 schemas", "max_schemas"}, 2,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, c.set)
				a := r.connect("a")
				a.send(batch(1, c.parts...))
				settle()
				refusals := a.refusals()
				if len(refusals) == 0 {
					t.Fatal("nothing was refused")
				}
				for _, f := range refusals {
					if f.GetReason() != c.reason || f.GetRetryable() {
						t.Errorf("refusal %v, want %s", f, c.reason)
					}
					for _, want := range c.says {
						if !strings.Contains(f.GetMessage(), want) {
							t.Errorf("message %q does not say %q", f.GetMessage(), want)
						}
					}
				}
				if n := len(r.log.rows()); n != c.stored {
					t.Errorf("%d frames were stored, want %d", n, c.stored)
				}
			})
		})
	}
}

// What is not sent any more makes room for what is.
func TestIdleSeriesFreeTheirPlace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(c *collector.Config) { c.MaxEntities, c.MaxSeries = 3, 3 })
		a := r.connect("a")
		a.send(batch(1, schema(1, "a"), manyEntities(1, 3, 1)))
		settle()
		time.Sleep(50 * time.Minute)
		a.send(batch(2, frame(1, 1, 1), manyEntities(4, 2, 1)))
		settle()
		if n := len(a.refusals()); n != 2 {
			t.Fatalf("%d frames were refused while all are in use, want 2", n)
		}
		a.forget()
		time.Sleep(20 * time.Minute)
		a.send(batch(3, frame(4, 1, 1), frame(5, 1, 1), frame(1, 1, 1)))
		settle()
		if got := a.refusals(); len(got) != 0 {
			t.Errorf("refused though entities 2 and 3 were silent for over an hour: %v", got)
		}
	})
}

func TestConnectingAgainGainsNoSeries(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(c *collector.Config) { c.MaxSeries = 2 })
		for i := range uint32(2) {
			a := r.connect("a")
			a.send(batch(1, schema(1, "a"), manyEntities(1+2*i, 2, 1)))
			settle()
			if got := len(a.refusals()); got != int(2*i) {
				t.Errorf("stream %d: %d frames refused, want %d", i, got, 2*i)
			}
			a.closeSend()
			a.wantEnd("")
		}
	})
}

// wide returns frames with so many samples in hundreds, so that the batch stays
// small.
func wide(samples int) []part {
	names := make([]string, 100)
	for i := range names {
		names[i] = fmt.Sprint("m", i)
	}
	parts := []part{schema(1, names...), entity(1, "")}
	for range samples / len(names) {
		parts = append(parts, frame(1, 1, make([]float64, len(names))...))
	}
	return parts
}

func TestTheRateQuotaPutsBatchesOff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(c *collector.Config) {
			c.MaxBatchBytes, c.SamplesPerSecond, c.BurstSamples = 64<<10, 1000, 10_000
		})
		a := r.connect("a")
		many := wide(6000)
		a.send(batch(1, many...))
		a.send(batch(2, many...))
		settle()
		got := a.refusals()
		if len(got) != 1 || got[0].GetSequence() != 2 || got[0].GetReason() != "agent_sample_rate" || !got[0].GetRetryable() {
			t.Fatalf("refusals %v, want batch 2 put off", got)
		}
		if ms := got[0].GetRetryAfterMs(); ms < 1900 || ms > 2010 {
			t.Errorf("to be sent again after %d ms, want 2,000: 2,000 samples are missing at 1,000 a second", ms)
		}
		if !strings.Contains(got[0].GetMessage(), "(collector.samples_per_second)") || !strings.Contains(got[0].GetMessage(), "agent a") {
			t.Errorf("message %q", got[0].GetMessage())
		}
		time.Sleep(time.Duration(got[0].GetRetryAfterMs()) * time.Millisecond)
		a.send(batch(2, many...))
		settle()
		if got := a.acked(); !slices.Equal(got, []uint64{1, 2}) {
			t.Errorf("acknowledged %v, want 1 and 2", got)
		}
	})
}

// The definitions of a batch that was put off are not sent again.
func TestDefinitionsOfABatchThatWasPutOffCount(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(c *collector.Config) {
			c.MaxBatchBytes, c.SamplesPerSecond, c.BurstSamples = 64<<10, 1000, 10_000
		})
		a := r.connect("a")
		a.send(batch(1, wide(5000)...))
		a.send(batch(2, wide(5000)...))
		a.send(batch(3, schema(2, "b"), frame(1, 2, 1)))
		time.Sleep(time.Second)
		a.send(batch(3, frame(1, 2, 1)))
		settle()
		if got := a.refusals(); len(got) != 1 || !got[0].GetRetryable() {
			t.Errorf("refusals %v, want batch 3 put off once", got)
		}
	})
}

// Numbers of definitions that come to nothing are bounded too.
func TestRefusedSchemasAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(c *collector.Config) { c.MaxSchemas = 2 })
		a := r.connect("a")
		parts := []part{entity(1, "")}
		for id := range uint32(10) {
			parts = append(parts, schema(id, "9 lives"))
		}
		a.send(batch(1, append(parts, schema(20, "good"), frame(1, 20, 1))...))
		settle()
		wantRefusal(t, a.refusals(), 1, 0, "agent_schema_quota", "max_schemas")
	})
}

// All definitions of a stream can fall due in one record; what a reader cannot
// read must not come about. Each row defines some 27 MB and uses the last.
func TestTheTextOfDefinitionsIsBounded(t *testing.T) {
	var labels, columns []string
	for i := range 30 {
		labels = append(labels, fmt.Sprintf("l%d=%s", i, strings.Repeat("x", 1000)))
		columns = append(columns, fmt.Sprintf("%s{l=%s}", strings.Repeat("c", 1+i), strings.Repeat("x", 1000)))
	}
	long := strings.Join(labels, ",")
	for name, one := range map[string]func(n uint32) part{
		"schemas":  func(n uint32) part { return schema(n, append(columns, fmt.Sprint("m", n))...) },
		"entities": func(n uint32) part { return entity(n, fmt.Sprint(long, ",n=", n)) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, nil)
				a := r.connect("a")
				n := uint32(2)
				for range 45 {
					parts := []part{first}
					for range 20 {
						parts = append(parts, one(n))
						n++
					}
					a.send(batch(uint64(n), parts...))
				}
				a.send(batch(1, frame(n-1, 1, 1), frame(1, 1, 1)))
				a.send(batch(2, frame(1, n-1, make([]float64, 31)...)))
				settle()
				got := a.refusals()
				if len(got) != 2 || got[0].GetReason() != "agent_definition_bytes" && got[1].GetReason() != "agent_definition_bytes" || len(r.log.rows()) != 1 {
					t.Fatalf("refusals %v, want one because of the size", got)
				}
			})
		})
	}
}

// Long labels of the host count with every entity that gets them.
func TestTheTextOfTheHostsLabelsIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		a := r.connect("a")
		var tags []metric.Label
		for i := range 30 {
			tags = append(tags, metric.Label{Name: fmt.Sprint("tag", i), Value: strings.Repeat("x", 1000)})
		}
		r.session("a").change(hostLabels.With(tags...), nil)
		settle()
		a.send(batch(1, schema(1, "a"), manyEntities(1, 900, 1)))
		settle()
		stored := len(r.log.rows())
		if stored < 700 || stored > 840 {
			t.Errorf("%d entities of 30 kB were taken, want 24 MiB of them", stored)
		}
		if got := a.refusals(); len(got) == 0 || got[0].GetReason() != "agent_definition_bytes" || !strings.Contains(got[0].GetMessage(), "agent a") {
			t.Errorf("refusals %v", got)
		}
	})
}

// A stream that defined far more than it uses is asked to begin anew.
func TestAStreamFullOfOldDefinitionsEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(c *collector.Config) { c.MaxEntities = 10 })
		a := r.connect("a")
		a.send(batch(1, first, frame(1, 1, 1)))
		for n := uint32(1); n <= 61; n++ {
			parts := make([]part, 0, 1000)
			for i := range uint32(1000) {
				parts = append(parts, entity(n*1000+i, fmt.Sprintf("device=d%d", n*1000+i)))
			}
			a.send(batch(uint64(1+n), parts...))
		}
		a.wantEnd("definitions_renew")
		if got := a.acked(); len(got) != 61 || !slices.Contains(got, 1) {
			t.Errorf("%d batches were acknowledged, want all before the last", len(got))
		}
	})
}
