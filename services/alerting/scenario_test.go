package alerting

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/esolutions/esmon/services/alert"
)

var (
	scenarioMinutes = flag.Int("alerting.minutes", 30, "how long the scenario lasts, on its own clock")
	scenarioSeed    = flag.Uint64("alerting.seed", 1, "seed of the scenario")
)

// promptly is how many seconds after it is known people are told of a fault.
const promptly = 6

// trueFault is a fault that there really is.
type trueFault struct {
	host       string
	begin, end int  // seconds; end excluded
	known      int  // when all data up to its first evaluation was there; 0 if not yet
	told       bool // when it was known, it still lasted
}

// scenario is hosts with true faults, and everything that may happen to monitoring.
type scenario struct {
	*world

	r        *rand.Rand
	p        *process
	start    time.Time
	faults   []*trueFault
	busy     map[string]int // host: until when it has a fault, or is being disturbed
	at       map[int][]func()
	down     int // until when no process evaluates, or it cannot
	wasCut   map[string]bool
	happened map[string]int
}

// TestScenario holds alerting to its promise: nothing that befalls the monitoring makes
// an alert, and every true fault is told as soon as its data is known.
func TestScenario(t *testing.T) {
	t.Parallel()
	var hosts []string
	for i := range 10 {
		hosts = append(hosts, fmt.Sprintf("h%d", i))
	}
	inWorld(t, hosts, func(t *testing.T, w *world) {
		s := &scenario{
			world: w, r: rand.New(rand.NewPCG(*scenarioSeed, 3)), start: time.Now(), busy: map[string]int{}, at: map[int][]func(){},
			wasCut: map[string]bool{}, happened: map[string]int{},
		}
		w.rules.set(groupOf(every, "High: cpu > 90", "None: absent(cpu)", "All: avg(cpu) > 85", "Few: count(cpu) < 5", gone))
		s.p = w.start()
		seconds := *scenarioMinutes * 60
		pass(time.Second / 2)             // hosts measure at whole seconds
		for sec := range seconds + 1800 { // all that was cut off is back by then
			s.second(sec, sec > 60 && sec < seconds)
		}
		s.p.end()
		s.judge(t, hosts)
	})
}

// second lets one second pass and has something happen now and then.
func (s *scenario) second(sec int, eventful bool) {
	for _, f := range s.at[sec] {
		f()
	}
	delete(s.at, sec)
	if eventful {
		s.maybe(sec)
	}
	synctest.Wait()
	s.noteKnown(sec)
	pass(time.Second)
}

func (s *scenario) later(sec int, f func()) { s.at[sec] = append(s.at[sec], f) }

func (s *scenario) count(what string, args ...any) {
	s.happened[what]++
	s.t.Log(int(time.Since(s.start)/time.Second), what, args)
}

// maybe has something happen.
func (s *scenario) maybe(sec int) {
	switch dice := s.r.IntN(1500); {
	case dice < 14:
		s.fault(sec)
	case dice < 20:
		s.cutOff(sec)
	case dice < 22:
		s.outage(sec)
	case dice < 24:
		s.jump(sec)
	case dice < 27:
		s.restart(sec)
	case dice < 29:
		s.failing(sec)
	}
}

// quietHost returns a host that has no fault; empty if there is none.
func (s *scenario) quietHost(sec int) string {
	id := fmt.Sprintf("h%d", s.r.IntN(10))
	if s.busy[id] > sec {
		return ""
	}
	return id
}

func (s *scenario) fault(sec int) {
	id := s.quietHost(sec)
	if id == "" {
		return
	}
	f := &trueFault{host: id, begin: sec, end: sec + 30 + s.r.IntN(300)}
	s.faults = append(s.faults, f)
	s.busy[id] = f.end + 60
	s.cpu(id, 95)
	s.later(f.end, func() { s.cpu(id, 10) })
	s.count("fault")
}

func (s *scenario) cutOff(sec int) {
	n := 1 + s.r.IntN(3)
	long := []int{7, 20, 90, 600, 1500}[s.r.IntN(5)]
	backlog := s.r.IntN(30)
	for range n {
		id := fmt.Sprintf("h%d", s.r.IntN(10))
		s.wasCut[id] = true
		s.cut(true, id)
		s.count("host cut", id)
		s.later(sec+long, func() { s.catchingUp(id, backlog > 0); s.cut(false, id) })
		s.later(sec+long+backlog, func() { s.catchingUp(id, false) })
	}
	s.count("cut", n, long, backlog)
}

func (s *scenario) outage(sec int) {
	if s.down > sec {
		return
	}
	s.down = sec + []int{3, 15, 60, 900}[s.r.IntN(4)]
	s.breakLog(true)
	s.later(s.down, func() { s.breakLog(false) })
	s.count("outage of the log", s.down)
}

func (s *scenario) jump(sec int) {
	by := []time.Duration{-3 * time.Hour, -10 * time.Minute, -15 * time.Second, 15 * time.Second, 10 * time.Minute, 3 * time.Hour}[s.r.IntN(6)]
	s.setClock(by)
	s.later(sec+30+s.r.IntN(300), func() { s.setClock(0) })
	s.count("jump of the clock", by)
}

func (s *scenario) restart(sec int) {
	if s.down > sec {
		return
	}
	s.down = sec + []int{1, 5, 40, 400}[s.r.IntN(4)]
	s.p.kill()
	s.later(s.down, func() { s.p = s.world.start() })
	s.count("restart", s.down)
}

func (s *scenario) failing(sec int) {
	if s.down > sec {
		return
	}
	s.down = sec + []int{3, 20, 120}[s.r.IntN(3)]
	if s.r.IntN(2) == 0 {
		s.breakQueries(errDatabase)
		s.later(s.down, func() { s.breakQueries(nil) })
		s.count("failing queries", s.down)
		return
	}
	fail := func(string) error { return errDatabase }
	s.store.locked(func() { s.store.before = fail })
	s.later(s.down, func() { s.store.locked(func() { s.store.before = nil }) })
	s.count("failing database", s.down)
}

// noteKnown notes for which faults all is there that is needed to tell of them. While a
// host sends what it kept it is not known whether its fault goes on.
func (s *scenario) noteKnown(sec int) {
	s.set(func() {
		for _, f := range s.faults {
			// What is measured in the second in which it begins may have been before it.
			first := s.start.Add(time.Duration(f.begin+1)*time.Second + every - 1).Truncate(every)
			if f.known > 0 && s.down > sec && sec <= f.known+promptly {
				f.known = 0 // something else came between
			}
			h := s.hosts[f.host]
			if f.known > 0 || s.down > sec || h.catching || h.complete < first.UnixMilli() {
				continue
			}
			f.known, f.told = sec, sec < f.end-10
		}
	})
}

// judge compares what was told with what was true.
func (s *scenario) judge(t *testing.T, hosts []string) {
	t.Logf("it happened: %v", s.happened)
	for _, title := range s.told() {
		name, rest, _ := strings.Cut(title, " ")
		host, _, _ := strings.Cut(rest, " ")
		if name != "High" && (name != "Gone" || !s.wasCut[host]) {
			t.Errorf("people were told falsely: %s", title)
		}
	}
	for _, host := range hosts {
		s.judgeHost(t, host)
	}
	for _, id := range hosts {
		if a := s.alertOf("High", id); a.State == alert.Firing {
			t.Errorf("still firing: %s", id)
		}
	}
}

func (s *scenario) judgeHost(t *testing.T, host string) {
	var episodes []alert.Episode
	var told []alert.Notification
	s.store.locked(func() {
		for _, e := range s.store.episodes {
			if e.Labels.Get(alert.NameLabel) == "High" && e.Labels.Get("host_id") == host {
				episodes = append(episodes, e)
			}
		}
		for _, n := range s.store.notified {
			if strings.HasPrefix(n.Title, "High "+host+" ") {
				told = append(told, n)
			}
		}
	})
	defer func() {
		if t.Failed() {
			for _, e := range episodes {
				t.Log(host, (e.Fired-s.start.UnixMilli())/1000, (e.Resolved-s.start.UnixMilli())/1000, e.Corrected)
			}
		}
	}()
	slices.SortFunc(episodes, func(a, b alert.Episode) int { return int(a.Fired - b.Fired) })
	second := func(ms int64) int { return int((ms - s.start.UnixMilli()) / 1000) }
	i := 0
	for _, f := range s.faults {
		if f.host != host {
			continue
		}
		if i == len(episodes) {
			t.Errorf("%s: the fault of %d-%d is no episode", host, f.begin, f.end)
			continue
		}
		e := episodes[i]
		i++
		if d := second(e.Fired) - f.begin; d < 0 || d > 5 {
			t.Errorf("%s: the fault of %d-%d is the episode of %d-%d", host, f.begin, f.end, second(e.Fired), second(e.Resolved))
		}
		if d := second(e.Resolved) - f.end; d < 0 || d > 5 {
			t.Errorf("%s: the fault of %d-%d is the episode of %d-%d", host, f.begin, f.end, second(e.Fired), second(e.Resolved))
		}
	}
	if i < len(episodes) {
		t.Errorf("%s: %d episodes without a fault", host, len(episodes)-i)
	}
	s.judgeTold(t, host, told)
}

// judgeTold checks that each fault that lasted was told once and in time.
func (s *scenario) judgeTold(t *testing.T, host string, told []alert.Notification) {
	for i, n := range told {
		if want := []string{"firing", "resolved"}[i%2]; !strings.HasSuffix(n.Title, want) {
			t.Errorf("%s: message %d is %q", host, i, n.Title)
		}
	}
	for _, f := range s.faults {
		if f.host != host || !f.told {
			continue
		}
		// The server's clock may be wrong; the store's own order and the time at which
		// it was told are by the clock of the test.
		if at, ok := s.toldAt(host, f); !ok {
			t.Errorf("%s: nobody was told of the fault of %d-%d, known at %d", host, f.begin, f.end, f.known)
		} else if at > f.known+promptly {
			t.Errorf("%s: the fault of %d-%d, known at %d, was told at %d", host, f.begin, f.end, f.known, at)
		}
	}
}

// toldAt returns when people were told of a fault. They know of it, too, if they were
// told of the one before and not that it was over.
func (s *scenario) toldAt(host string, f *trueFault) (at int, ok bool) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	knows := false
	for i, n := range s.store.notified {
		sec := int(s.store.at[i].Sub(s.start) / time.Second)
		if !strings.HasPrefix(n.Title, "High "+host+" ") {
			continue
		}
		if knows && sec > f.known {
			return f.known, true
		}
		if knows = strings.HasSuffix(n.Title, "firing"); knows && sec >= f.begin && sec < f.end+60 {
			return sec, true
		}
	}
	return f.known, knows
}
