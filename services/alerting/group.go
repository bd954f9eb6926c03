package alerting

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/rule"
	"github.com/esolutions/esmon/services/rule/eval"
)

// many stands in the place of an agent for the rules over many of them.
const many = ""

// group is a rule group and how far it is. While busy is set it belongs to the job
// that works on it; else to the leader's goroutine.
type group struct {
	def      *rule.Group
	eval     *eval.Group
	rules    []eval.RuleInfo
	scopes   []scope
	interval int64
	offset   int64
	lateness int64

	done    int64               // evaluated up to there, but for those that follow
	late    map[string]int64    // agents, and many, that are behind: up to where
	missing map[string]int64    // agents of alerts that nobody knows: since when
	without map[string]bool     // agents among late that rules over many were evaluated without; true if this process saw all of that
	ahead   map[string]int64    // agents, and many, that were evaluated further before the clock was set back
	failing map[string]*failure // by rule: those behind because they fail
	catchup *catchup            // what is being caught up, over several jobs

	stored standing // what is committed, or about to be
	busy   bool
	again  time.Time     // no catching up before
	worked int64         // late data up to there is worked in
	rest   time.Time     // no correcting before
	wait   time.Duration // how long it rested for what stood otherwise and may still

	correction *correction // what is being corrected, over several jobs
	piece      int64       // how long spans of late data are that only this group works in
	atOnce     int         // by the late data of how many agents it corrects at once
	health     []ruleHealth
}

// standing is what the database knows of how far a group is. A rule that fails is a row
// of its own there, as if it were a group, so that it keeps its place when it moves to
// another one.
type standing struct {
	done    int64
	late    map[string]int64 // agents, and many
	failing map[string]int64 // rules
}

func newStanding(done int64) standing {
	return standing{done: done, late: map[string]int64{}, failing: map[string]int64{}}
}

// newGroup returns a group that starts from what is stored. With nothing stored it
// starts at start: the newest evaluation that is not made any more.
func newGroup(def *rule.Group, cfg *Config, opt eval.Options, alerts []alert.Alert, s standing, start int64) (*group, error) {
	if err := checkNames(def); err != nil {
		return nil, err
	}
	e, err := eval.NewGroup(def, opt)
	if err != nil {
		return nil, fmt.Errorf("set up rule group %s: %w", def.ID(), err)
	}
	g := &group{
		def: def, eval: e, rules: e.Rules(), interval: def.Interval.Milliseconds(), offset: def.Offset.Milliseconds(),
		done: s.done, late: map[string]int64{}, missing: map[string]int64{}, without: map[string]bool{}, ahead: map[string]int64{}, failing: map[string]*failure{},
	}
	if g.interval <= 0 {
		return nil, fmt.Errorf("set up rule group %s: its interval is %s; at least 1ms is needed", def.ID(), def.Interval)
	}
	g.lateness = lateness(def, g.rules, cfg.LatenessIntervals).Milliseconds()
	for i := range g.rules {
		g.scopes = append(g.scopes, scopeOf(&g.rules[i]))
	}
	g.piece, g.atOnce = correctPiece.Milliseconds(), catchUpAgents
	g.health = make([]ruleHealth, len(g.rules))
	if g.done == 0 {
		g.done = g.floor(start)
	}
	g.takeStands(s)
	e.Restore(alerts)
	g.stored = s
	return g, nil
}

// maxName is how long what names groups and rules in the database may be.
const maxName = 1024

// checkNames refuses names that the database would: one of them would keep all others
// from being stored.
func checkNames(def *rule.Group) error {
	names := []string{def.ID()}
	for _, r := range def.Rules {
		names = append(names, r.ID)
	}
	for _, name := range names {
		if len(name) > maxName || !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
			return fmt.Errorf("set up rule group %.100q: the names of its file, itself and its rules must be text of %d bytes at most", def.ID(), maxName)
		}
	}
	return nil
}

// takeStands takes over who was behind. Times are put on the grid: the interval may be
// another than it was.
func (g *group) takeStands(s standing) {
	g.done = g.floor(g.done)
	for i := range g.rules {
		id := g.rules[i].Rule.ID
		if stand, ok := s.failing[id]; ok {
			g.failing[id] = &failure{stand: g.floor(stand), since: stand, message: "it failed before this process began to lead"}
		}
	}
	for who, stand := range s.late {
		g.late[who] = min(g.floor(stand), g.done)
	}
	if !g.has(overMany) {
		delete(g.late, many)
		return
	}
	for who, stand := range g.late {
		if who != many && stand < g.standOf(many) {
			g.without[who] = false // it may have been
		}
	}
}

func (g *group) has(s scope) bool {
	for _, have := range g.scopes {
		if have == s {
			return true
		}
	}
	return false
}

// floor returns the newest evaluation at or before t.
func (g *group) floor(t int64) int64 {
	rest := t % g.interval
	if rest < 0 {
		rest += g.interval
	}
	return t - rest
}

// standOf returns up to where the agent, or many, is evaluated.
func (g *group) standOf(who string) int64 {
	if stand, ok := g.late[who]; ok {
		return stand
	}
	return g.done
}

// standing returns what is to be stored. Who is behind by one interval only is not
// written down one by one: the group as a whole is stored as standing there, and a
// process that goes on from it evaluates that time again, which changes nothing for
// those that were evaluated already. That includes what was evaluated over many without
// somebody, who so is written down.
func (g *group) standing() standing {
	s := newStanding(g.done)
	for who, stand := range g.late {
		if _, without := g.without[who]; stand >= g.done-g.interval && !without {
			s.done = min(s.done, stand)
		}
	}
	for who, stand := range g.late {
		if _, without := g.without[who]; stand < s.done || without {
			s.late[who] = stand
		}
	}
	for id, f := range g.failing {
		if stand := f.told(); stand < s.done {
			s.failing[id] = stand
		}
	}
	return s
}

// rows returns who is behind, as it is stored.
func (s *standing) rows(group string) map[alert.Late]int64 {
	all := make(map[alert.Late]int64, len(s.late)+len(s.failing))
	for who, stand := range s.late {
		all[alert.Late{Group: group, Agent: who}] = stand
	}
	for id, stand := range s.failing {
		all[alert.Late{Group: id, Agent: many}] = stand
	}
	return all
}

// moved adds to the commit how far the group is, as far as that changed.
func (g *group) moved(c *alert.Commit, now standing) {
	if now.done != g.stored.done {
		c.Progress = append(c.Progress, alert.Progress{Group: g.def.ID(), Evaluated: now.done})
	}
	was, is := g.stored.rows(g.def.ID()), now.rows(g.def.ID())
	for row, stand := range is {
		if had, ok := was[row]; !ok || had != stand {
			row.Evaluated = stand
			c.Late = append(c.Late, row)
		}
	}
	for row := range was {
		if _, ok := is[row]; !ok {
			c.Caught = append(c.Caught, row)
		}
	}
	g.stored = now
}
