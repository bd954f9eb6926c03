package notify

import (
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/notify/interval"
	"github.com/esolutions/esmon/services/notify/oncall"
)

// Config is who is told what and when, as routes.yaml says it.
type Config struct {
	// Route is the root of the tree. Every alert reaches it.
	Route *Route
	// Inhibit are the rules by which one alert hides another.
	Inhibit []*InhibitRule
	// Intervals are the named time intervals that routes refer to.
	Intervals map[string][]interval.Interval
	// Escalations are the named policies that routes refer to.
	Escalations map[string]*Escalation
	// People are the receivers of each person.
	People map[string][]string
	// Calendars say who is on call.
	Calendars map[string]*oncall.Calendar
	// Limits keep storms away from people.
	Limits Limits
	// Receivers are those that there are; nil: not known, any will do.
	Receivers []string
}

// Route is a node of the tree. What its parents say is filled in.
type Route struct {
	// Path is its place: 0 is the root, 0.2.1 the second child of its third child.
	Path string
	// Matchers are the conditions under which an alert takes it, all of them.
	Matchers alert.Matchers
	// Receiver is told at once; empty if only Escalation is.
	Receiver string
	// Escalation is the name of the policy; empty for none.
	Escalation string
	// GroupBy are the labels whose values make a group.
	GroupBy []string
	// GroupByAll makes a group of each label set: '...'.
	GroupByAll bool
	// GroupWait is how long a new group gathers before it is told.
	GroupWait time.Duration
	// GroupInterval is how long after a message a group is told again at the earliest.
	GroupInterval time.Duration
	// Grow lets the interval grow while the group keeps changing. So it does unless
	// the file sets an interval.
	Grow bool
	// RepeatInterval is after how long a group that did not change is told again.
	RepeatInterval time.Duration
	// Continue lets the routes after it be tried, too.
	Continue bool
	// Mute names the time intervals in which nothing is told.
	Mute []string
	// Active names the time intervals outside of which nothing is told.
	Active []string
	// Routes are tried first, in their order.
	Routes []*Route

	id string // names it across restarts: the matchers on the way to it
}

// InhibitRule hides alerts while others fire.
type InhibitRule struct {
	// Name is for people.
	Name string
	// Source are the conditions on the alert that hides.
	Source alert.Matchers
	// Target are the conditions on the alerts that are hidden.
	Target alert.Matchers
	// Equal are labels that must have the same value in both; one that both lack is
	// the same.
	Equal []string
}

// Escalation is who is told when nobody acknowledges.
type Escalation struct {
	// Steps are told one after the other, until the alert is acknowledged or over.
	Steps []Step
	// Repeat starts again from the first step after this time, again and again; 0:
	// never.
	Repeat time.Duration
}

// Step is one step of an escalation.
type Step struct {
	// After is the time since the alert began to fire, or since it was not hidden any
	// more.
	After time.Duration
	// To are names of receivers, oncall/CALENDAR or person/NAME.
	To []string
}

// Limits keep storms away from people.
type Limits struct {
	// Messages is how many messages a receiver gets at most within Window. Before that
	// many, digests of all that is due take the place of single messages.
	Messages int
	// Window is the time in which Messages are counted.
	Window time.Duration
	// FlapTimes is how often an alert must begin to fire within FlapWindow to be taken
	// for flapping; 0: none ever is.
	FlapTimes int
	// FlapWindow is the time in which FlapTimes are counted.
	FlapWindow time.Duration
	// FlapCalm is how long an alert must not change to be flapping no more.
	FlapCalm time.Duration
}

// Defaults of routes: fast, without storms.
const (
	defaultGroupInterval  = 5 * time.Second
	defaultRepeatInterval = 4 * time.Hour
)

// DefaultConfig is what holds when there is no file: alerts are evaluated and listed,
// and nobody is told.
func DefaultConfig() *Config {
	return &Config{Route: rootRoute(), Limits: DefaultLimits()}
}

func rootRoute() *Route {
	return &Route{
		Path:           "0",
		GroupBy:        []string{alert.NameLabel},
		GroupInterval:  defaultGroupInterval,
		Grow:           true,
		RepeatInterval: defaultRepeatInterval,
		id:             "{}",
	}
}

// DefaultLimits returns the limits that hold unless the file says otherwise.
func DefaultLimits() Limits {
	return Limits{
		Messages:   20,
		Window:     5 * time.Minute,
		FlapTimes:  4,
		FlapWindow: 30 * time.Minute,
		FlapCalm:   10 * time.Minute,
	}
}

// silent tells whether nobody is told by the route.
func (r *Route) silent() bool { return r.Receiver == "" && r.Escalation == "" }
