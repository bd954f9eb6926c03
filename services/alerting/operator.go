package alerting

import (
	"context"
	"time"

	"github.com/esolutions/esmon/services/alert"
)

const (
	// outside is the rule of alerts that were sent from outside.
	outside = ""
	// externalLimit is how many alerts from outside are taken at once.
	externalLimit = 1000
	// morePause is between two times of taking so many: they may be the same ones, if
	// they could not be marked as taken.
	morePause = 50 * time.Millisecond
	// externalFor is how long an alert from outside fires that does not say when it
	// is over.
	externalFor = 5 * time.Minute
	// externalKept is how long one is kept that is over.
	externalKept = 15 * time.Minute
)

// operatorNews is what people and other programs changed.
type operatorNews struct {
	operator alert.Operator
	set      bool // operator is another than before
	version  int64
	external []alert.ExternalAlert
	taken    chan struct{} // is closed once the alerts are committed
}

// pollOperator looks for what people and other programs changed, until ctx ends.
func (a *Alerting) pollOperator(ctx context.Context, out chan<- operatorNews, version int64) {
	first, failing := true, false
	for ctx.Err() == nil {
		news, changed, err := a.readOperator(ctx, version, first)
		switch {
		case err != nil:
			if !failing && ctx.Err() == nil {
				a.log.Warn("what people changed about alerts could not be read; it is tried again", "error", err)
			}
			failing = true
		case changed:
			first, failing, version = false, false, news.version
			if !a.hand(ctx, out, &news) {
				return
			}
			if len(news.external) == externalLimit {
				first = true // there are more
				a.waitFor(ctx, morePause, nil)
				continue
			}
		default:
			failing = false
		}
		a.waitFor(ctx, a.cfg.OperatorInterval, a.wake)
	}
}

func (a *Alerting) readOperator(ctx context.Context, version int64, again bool) (news operatorNews, changed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.CommitTimeout)
	defer cancel()
	news.taken = make(chan struct{})
	now, err := a.deps.Store.Version(ctx)
	if err != nil || now == version && !again && !a.asked.Swap(false) {
		return news, false, err
	}
	if news.operator, news.version, err = a.deps.Store.Operator(ctx); err != nil {
		return news, false, err
	}
	news.set = true
	news.external, err = a.deps.Store.External(ctx, externalLimit)
	return news, err == nil, err
}

// hand gives the leader the news and waits until it has committed them.
func (*Alerting) hand(ctx context.Context, out chan<- operatorNews, news *operatorNews) bool {
	select {
	case <-ctx.Done():
		return false
	case out <- *news:
	}
	select {
	case <-ctx.Done():
		return false
	case <-news.taken:
		return true
	}
}

// takeOperator takes over what people and other programs changed.
func (l *leader) takeOperator(news operatorNews) {
	if news.set {
		l.a.Planning(func() { l.a.deps.Planner.Operator(news.operator) })
		l.pending.version = news.version
	}
	for i := range news.external {
		l.pending.tokens = append(l.pending.tokens, news.external[i].Token)
		l.takeExternal(news.external[i].Alert)
	}
	l.pending.taken = func() { close(news.taken) }
	l.touch()
}

// takeExternal takes over an alert from outside. One that is taken twice changes
// nothing more.
func (l *leader) takeExternal(a alert.Alert) {
	now := l.now.UnixMilli()
	a.RuleID, a.Key = outside, alert.KeyOf(outside, a.Labels)
	if a.Ends == 0 {
		a.Ends = now + externalFor.Milliseconds()
	}
	was, known := l.book[a.Key]
	fires := a.Ends > now
	switch goesOn := known && was.State == alert.Firing; {
	case goesOn:
		a.Active, a.Fired, a.FireValue, a.State = was.Active, was.Fired, was.FireValue, alert.Firing
	case fires:
		a.State, a.Fired, a.FireValue = alert.Firing, now, a.Value
		if a.Active == 0 || a.Active > now {
			a.Active = now
		}
	default:
		return // it was over before anybody knew
	}
	a.Evaluated, a.Resolved = now, 0
	var c changes
	c.init()
	if a.Fired == now && a.Fired != was.Fired {
		c.events = append(c.events, alert.Event{Key: a.Key, Time: now, Kind: alert.EventFiring, Value: a.Value})
	}
	if !fires {
		a.State, a.Resolved = alert.Resolved, max(min(a.Ends, now), a.Fired)
		c.events = append(c.events, alert.Event{Key: a.Key, Time: a.Resolved, Kind: alert.EventResolved, Value: a.Value})
	}
	c.alert(a)
	c.episode(a.Episode())
	l.take(&c)
}

// endExternal ends alerts from outside that were not sent again in time.
func (l *leader) endExternal() {
	now := l.now.UnixMilli()
	for _, a := range l.book {
		if a.RuleID != outside {
			continue
		}
		switch {
		case a.State == alert.Firing && a.Ends <= now:
			l.takeExternal(a)
		case a.State != alert.Firing && now-a.Resolved > externalKept.Milliseconds():
			var c changes
			c.init()
			c.forgotten(a.Key)
			l.take(&c)
		}
	}
}
