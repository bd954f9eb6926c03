package eval_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/rule"
	"github.com/esolutions/esmon/services/rule/eval"
	"github.com/esolutions/esmon/services/rule/eval/evaltest"
)

// trial is rules and series, both made at random.
type trial struct{ *evaltest.Trial }

func newTrial(seed uint64) *trial { return &trial{evaltest.New(seed)} }

func (d *trial) rig(t *testing.T, series map[string]string) *rig {
	rules := make([]*rule.Rule, len(d.Rules))
	for i, one := range d.Rules {
		own := *one
		rules[i] = &own
	}
	r := newRig(t, series, rules...)
	r.env.Decide = func(ls metric.Labels, _ string, _ int64) eval.Decision {
		return eval.Decision{Agent: ls.Get("host"), Decided: true}
	}
	return r
}

// inTime evaluates minute by minute.
func (d *trial) inTime(t *testing.T, series map[string]string) *rig {
	r := d.rig(t, series)
	for m := range d.Length {
		r.eval(m)
	}
	return r
}

// compare tells whether both came to the same, whether late or not.
func compare(t *testing.T, what string, got, want *rig) {
	t.Helper()
	plain := func(r *rig) ([]alert.Alert, []alert.Episode) {
		alerts := r.group.Alerts()
		for i := range alerts {
			alerts[i].Corrected = false
		}
		episodes := slices.Collect(maps.Values(r.kept.episodes))
		for i := range episodes {
			episodes[i].Corrected = false
		}
		slices.SortFunc(episodes, func(a, b alert.Episode) int { return strings.Compare(fmt.Sprint(a.ID()), fmt.Sprint(b.ID())) })
		return alerts, episodes
	}
	gotAlerts, gotEpisodes := plain(got)
	wantAlerts, wantEpisodes := plain(want)
	if !reflect.DeepEqual(gotAlerts, wantAlerts) {
		t.Fatalf("%s: alerts are\n%+v, want\n%+v", what, gotAlerts, wantAlerts)
	}
	if !reflect.DeepEqual(gotEpisodes, wantEpisodes) {
		t.Fatalf("%s: episodes differ:\n%s", what, differences(gotEpisodes, wantEpisodes))
	}
}

func differences(got, want []alert.Episode) string {
	var b strings.Builder
	say := func(sign string, all, others []alert.Episode) {
		for _, e := range all {
			if !slices.ContainsFunc(others, func(o alert.Episode) bool { return reflect.DeepEqual(e, o) }) {
				fmt.Fprintf(&b, "%s %s %v active %d fired %d resolved %d value %v %v\n", sign, e.RuleID, e.Labels, e.Active/minute, e.Fired/minute, e.Resolved/minute, e.FireValue, e.LastValue)
			}
		}
	}
	say("+", got, want)
	say("-", want, got)
	return b.String()
}

// TestTogether evaluates many times at once, and in several processes.
func TestTogether(t *testing.T) {
	t.Parallel()
	episodes := 0
	for seed := range uint64(15) {
		d := newTrial(seed)
		want := d.inTime(t, d.Series)
		episodes += len(want.kept.episodes)
		got, once := d.rig(t, d.Series), d.rig(t, d.Series)
		got.kept.all = true
		for next := int64(0); next < d.Length; {
			var times []int64
			for n := int64(d.IntN(20)) + 1; n > 0 && next < d.Length; n, next = n-1, next+1 {
				times = append(times, next)
			}
			got.eval(times...)
			if d.IntN(2) == 0 {
				got.reopen()
			}
		}
		once.eval(slices.Collect(func(yield func(int64) bool) {
			for m := int64(0); m < d.Length && yield(m); m++ {
			}
		})...)
		compare(t, fmt.Sprintf("seed %d, several processes", seed), got, want)
		compare(t, fmt.Sprintf("seed %d, all at once", seed), once, want)
	}
	if episodes < 300 {
		t.Errorf("%d episodes say too little", episodes)
	}
}

// late evaluates while the data of hosts comes late: each is decided up to where its
// data is there.
func (d *trial) late(t *testing.T) *rig {
	r := d.rig(t, nil)
	pending := map[string][]query.Sample{}
	for name, values := range d.Series {
		labels, sequence, err := query.ParseSeries(name + " " + values)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range sequence {
			if !v.Omitted {
				pending[labels.Get("host")] = append(pending[labels.Get("host")], query.Sample{Labels: labels, T: int64(i) * minute, V: v.V})
			}
		}
	}
	there, decided := map[string]int64{}, map[string]int64{}
	for _, h := range d.Hosts {
		there[h], decided[h] = -1, -1
	}
	for m := range d.Length {
		for _, h := range d.Hosts {
			switch {
			case m == d.Length-1 || d.IntN(3) > 0:
				there[h] = m
			case d.IntN(2) == 0:
				there[h] += d.Int64N(m - there[h] + 1)
			}
			pending[h] = slices.DeleteFunc(pending[h], func(s query.Sample) bool {
				if s.T <= there[h]*minute {
					r.memory.Add(s)
					return true
				}
				return false
			})
		}
		d.bringUp(t, r, m, there, decided)
		if d.IntN(5) == 0 {
			// Refreshed alerts are stored here, so that all can be compared.
			for _, a := range r.group.Alerts() {
				r.kept.alerts[a.Key] = a
			}
			r.reopen()
		}
	}
	return r
}

// bringUp evaluates what can be decided: those who are level together, each of the
// others by itself.
func (d *trial) bringUp(t *testing.T, r *rig, now int64, there, decided map[string]int64) {
	level := map[string]bool{}
	for _, h := range d.Hosts {
		if there[h] == now && decided[h] == now-1 {
			level[h] = true
		}
	}
	evaluate := func(q eval.Querier, times []int64, late bool, decides func(host string) bool) {
		if len(times) == 0 {
			return
		}
		env := eval.Env{Querier: q, Late: late, Record: r.env.Record, Decide: func(ls metric.Labels, _ string, _ int64) eval.Decision {
			h := ls.Get("host")
			if decides(h) {
				return eval.Decision{Agent: h, Decided: true}
			}
			return eval.Decision{Agent: h, Hold: &alert.Hold{Reason: alert.AgentSilent}}
		}}
		result, err := r.group.Eval(t.Context(), times, env)
		if err != nil || len(result.Errors) > 0 {
			t.Fatal(err, result.Errors)
		}
		r.kept.take(&result)
	}
	evaluate(r.evaluator, []int64{now * minute}, false, func(h string) bool { return level[h] })
	for _, h := range d.Hosts {
		if !level[h] {
			var times []int64
			for m := decided[h] + 1; m <= there[h]; m++ {
				times = append(times, m*minute)
			}
			alone := r.evaluator.With(query.Restrict(r.memory, nil, query.In("host_name", h)))
			evaluate(alone, times, true, func(other string) bool { return other == h })
		}
		decided[h] = there[h]
	}
}

// TestLate has data of hosts come late, and alerts and history end up as if it had
// come in time.
func TestLate(t *testing.T) {
	t.Parallel()
	corrected := 0
	for seed := range uint64(25) {
		d := newTrial(seed)
		want := d.inTime(t, d.Series)
		got := d.late(t)
		for _, e := range got.kept.episodes {
			if e.Corrected {
				corrected++
			}
		}
		compare(t, fmt.Sprintf("seed %d", seed), got, want)
	}
	if corrected < 50 {
		t.Errorf("%d corrected episodes say too little", corrected)
	}
}

// TestReplay finds the stored history in data that did not change, and corrects it
// where data came afterwards.
func TestReplay(t *testing.T) {
	t.Parallel()
	changed := 0
	for seed := range uint64(25) {
		d := newTrial(seed)
		before := d.inTime(t, d.Series)
		from := d.Int64N(d.Length-20) * minute
		to := from + d.Int64N(20)*minute
		known := ofRules(before)
		for i, info := range before.group.Rules() {
			if info.Rule.Alert == "" {
				continue
			}
			result, err := before.group.Replay(t.Context(), i, from, to, known[i], before.env)
			if err != nil {
				t.Fatal(err)
			}
			put, unmade := eval.Diff(known[i], result.Episodes, from, to)
			if len(put)+len(unmade) != 0 {
				t.Fatalf("seed %d, rule %+v from %d to %d: nothing has changed, but store %+v and unmake %v of %+v", seed, info.Rule, from/minute, to/minute, put, unmade, known[i])
			}
		}
		changed += d.correct(t, seed, before) + d.correctWindow(t, seed, before)
	}
	if changed < 30 {
		t.Errorf("%d corrections say too little", changed)
	}
}

// ofRules returns the stored episodes by rule.
func ofRules(r *rig) [][]alert.Episode {
	out := make([][]alert.Episode, len(r.group.Rules()))
	for i, info := range r.group.Rules() {
		for _, e := range r.kept.episodes {
			if e.RuleID == info.Rule.ID {
				out[i] = append(out[i], e)
			}
		}
	}
	return out
}

// correct gives one series other values and corrects the history of all rules from
// then on.
func (d *trial) correct(t *testing.T, seed uint64, before *rig) (changed int) {
	series := maps.Clone(d.Series)
	name := fmt.Sprintf("v{host_name=%q,host=%q,dev=%q}", "a", "a", "x")
	fields := strings.Fields(series[name])
	cut := d.IntN(len(fields) / 2)
	at := int64(0)
	for _, f := range fields[:cut] {
		n := int64(1)
		if strings.HasPrefix(f, "_x") {
			fmt.Sscanf(f, "_x%d", &n)
		}
		at += n
	}
	series[name] = strings.Join(fields[:cut], " ") + " " + d.Values(int(d.Length))
	return d.corrects(t, seed, before, series, at, d.Length-1)
}

// correctWindow gives one series other values for a while only, and corrects the
// history of all rules for as long as that has consequences.
func (d *trial) correctWindow(t *testing.T, seed uint64, before *rig) (changed int) {
	series := maps.Clone(d.Series)
	name := fmt.Sprintf("v{host_name=%q,host=%q,dev=%q}", "a", "a", "x")
	values, others := byMinute(series[name], d.Length), byMinute(d.Values(int(d.Length)), d.Length)
	from := d.Int64N(d.Length / 2)
	to := from + d.Int64N(10)
	copy(values[from:to+1], others[from:])
	series[name] = strings.Join(values, " ")
	return d.corrects(t, seed, before, series, from, to)
}

// byMinute returns values as a list with one for each minute.
func byMinute(values string, n int64) []string {
	var out []string
	for _, f := range strings.Fields(values) {
		gap := 1
		if _, err := fmt.Sscanf(f, "_x%d", &gap); err == nil {
			f = "_"
		}
		out = append(out, slices.Repeat([]string{f}, gap)...)
	}
	return out[:n]
}

// reach is for how many minutes a sample counts in the evaluations after it.
const reach = 8

// corrects corrects the history of all rules by series that are others from one
// minute to another.
func (d *trial) corrects(t *testing.T, seed uint64, before *rig, series map[string]string, at, end int64) (changed int) {
	want := d.inTime(t, series)
	known, right := ofRules(before), ofRules(want)
	for i, info := range want.group.Rules() {
		if info.Rule.Alert == "" {
			continue
		}
		stand := (d.Length - 1) * minute
		last := min(stand, (end+reach)*minute+(info.Rule.For+info.Rule.KeepFiringFor).Milliseconds())
		var result eval.Result
		for {
			var err error
			if result, err = want.group.Replay(t.Context(), i, at*minute, last, known[i], want.env); err != nil {
				t.Fatal(err)
			}
			if last == stand || len(eval.Differ(known[i], result.Episodes, last)) == 0 {
				break
			}
			last = min(stand, last+3*minute)
		}
		put, unmade := eval.Diff(known[i], result.Episodes, at*minute, last)
		changed += len(put) + len(unmade)
		stored := map[alert.EpisodeID]alert.Episode{}
		for _, e := range known[i] {
			stored[e.ID()] = e
		}
		for _, id := range unmade {
			delete(stored, id)
		}
		for _, e := range put {
			if !e.Corrected {
				t.Errorf("%+v is not marked", e)
			}
			e.Corrected = false
			stored[e.ID()] = e
		}
		for id, e := range stored {
			if e.Resolved == 0 {
				e.LastValue = e.FireValue // as it is when it begins to fire
				stored[id] = e
			}
		}
		expected := map[alert.EpisodeID]alert.Episode{}
		for _, e := range right[i] {
			was, ok := stored[e.ID()]
			if ok && e.Fired < at*minute && e.Resolved >= at*minute {
				e.LastValue = was.LastValue // it may be over before it has another
			}
			if ok && info.Rule.NoData == rule.NoDataAlert {
				e.FireValue, e.LastValue = was.FireValue, was.LastValue // the value may be older than the span
			}
			expected[e.ID()] = e
		}
		if !reflect.DeepEqual(stored, expected) {
			maps.DeleteFunc(stored, func(id alert.EpisodeID, e alert.Episode) bool { return reflect.DeepEqual(expected[id], e) })
			t.Fatalf("seed %d, rule %+v corrected from minute %d to %d: wrongly there is\n%+v\nof\n%+v", seed, info.Rule, at, last/minute, stored, expected)
		}
	}
	return changed
}
