package amqp

import (
	"context"
	"errors"
	"testing"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/esolutions/esmon/services/bus"
)

func rec(offset int64, id string) seen {
	return seen{offset: offset, logID: id, record: true, size: 100, time: time.Unix(offset, 0)}
}
func head(offset int64, id string) seen { return seen{offset: offset, logID: id, header: true} }
func foreign(offset int64) seen         { return seen{offset: offset} }

func TestViewOf(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		first, last       []seen
		id                string
		begin, next, end  int64
		oldest            int64
		nothingOfItIsOurs bool
	}{
		"header alone":                    {first: []seen{head(0, "a")}, last: []seen{head(0, "a")}, id: "a", begin: 1, next: 1, end: 1},
		"two made it":                     {first: []seen{head(0, "a"), head(1, "b")}, last: []seen{head(1, "b")}, id: "a", begin: 1, next: 1, end: 2},
		"two made it, records":            {first: []seen{head(0, "a"), head(1, "b"), rec(2, "a")}, last: []seen{rec(9, "a")}, id: "a", begin: 1, next: 10, end: 10, oldest: 2},
		"records":                         {first: []seen{head(0, "a"), rec(1, "a")}, last: []seen{rec(5, "a"), rec(6, "a")}, id: "a", begin: 1, next: 7, end: 7, oldest: 1},
		"truncated":                       {first: []seen{rec(50, "a")}, last: []seen{rec(60, "a")}, id: "a", begin: 50, next: 61, end: 61, oldest: 50},
		"truncated up to a late header":   {first: []seen{head(50, "b"), rec(51, "a")}, last: []seen{rec(60, "a")}, id: "a", begin: 50, next: 61, end: 61, oldest: 51},
		"truncated up to a stranger":      {first: []seen{foreign(50)}, last: []seen{rec(60, "a")}, id: "a", begin: 50, next: 61, end: 61, oldest: 60},
		"a stranger before the header":    {first: []seen{foreign(0), head(1, "a")}, last: []seen{head(1, "a")}, id: "a", begin: 1, next: 1, end: 2},
		"strangers only":                  {first: []seen{foreign(0)}, last: []seen{foreign(3)}, nothingOfItIsOurs: true},
		"late headers only, no way to id": {first: []seen{head(5, "b")}, last: []seen{head(5, "b")}, nothingOfItIsOurs: true},
	} {
		v, ok := viewOf(c.first, c.last)
		if ok == c.nothingOfItIsOurs {
			t.Errorf("%s: %t", name, ok)
		}
		if c.nothingOfItIsOurs {
			continue
		}
		if v.id != c.id || v.first != c.begin || v.next != c.next || v.end != c.end || c.oldest != 0 && v.oldest.Unix() != c.oldest {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

func TestExtended(t *testing.T) {
	t.Parallel()
	v := view{id: "a", first: 1, next: 10, end: 10}
	if out, ok := v.extended([]seen{rec(11, "a"), rec(12, "a")}); !ok || out.next != 13 || out.end != 13 || out.first != 1 || out.average != 100 {
		t.Errorf("%t, %+v", ok, out)
	}
	for name, last := range map[string][]seen{
		"another log": {rec(11, "b")},
		"it shrank":   {rec(8, "a")},
		"a stranger":  {rec(11, "a"), foreign(12)},
		"a header":    {head(11, "a")},
	} {
		if _, ok := v.extended(last); ok {
			t.Errorf("%s: it was extended", name)
		}
	}
}

// lagging is a partition whose broker shows less than is known to be there.
func lagging(t *testing.T) (*partition, *view) {
	t.Helper()
	cfg := DefaultConfig()
	cfg.CatchUpTimeout = time.Hour
	p := newPartition(&Log{cfg: cfg}, 0, true)
	p.view = view{id: "a", first: 1, next: 50, end: 50}
	p.know(p.position("a", 100))
	return p, &p.view
}

func TestALaggingReplicaIsNoLoss(t *testing.T) {
	t.Parallel()
	p, v := lagging(t)
	if n := p.atLeast(context.Background(), v); n != 100 {
		t.Errorf("next is %d", n)
	}
	p.know(p.position("a", 90))
	p.know(p.position("b", 1000))
	if n := p.atLeast(context.Background(), v); n != 100 {
		t.Errorf("next is %d, after news of before and of another log", n)
	}
	r := &reader{p: p, id: "a", next: 100}
	if err := r.compare(v); err == nil || final(err) {
		t.Errorf("a reader gets %v", err)
	}
	p.l.cfg.CatchUpTimeout = -1 // the time is over
	if n := p.atLeast(context.Background(), v); n != 50 {
		t.Errorf("next is %d, after the time to catch up", n)
	}
	if gap, ok := errors.AsType[*bus.GapError](r.compare(v)); !ok || gap.Wanted != 100 || gap.Next != 50 {
		t.Errorf("a reader gets %v", gap)
	}
}

func TestWhatIsStoredIsThere(t *testing.T) {
	t.Parallel()
	p, v := lagging(t)
	p.known = bus.Position{}
	p.l.deps.Stored = func(context.Context, int) (bus.Position, error) { return p.position("a", 70), nil }
	if n := p.atLeast(context.Background(), v); n != 70 {
		t.Errorf("next is %d", n)
	}
}

// TestOnlyAMissingStreamIsMadeAnew: RabbitMQ says "not found" of one whose brokers
// are down, too, and that one must be waited for.
func TestOnlyAMissingStreamIsMadeAnew(t *testing.T) {
	t.Parallel()
	p := newPartition(&Log{cfg: DefaultConfig()}, 0, true)
	for _, c := range []struct {
		reason           string
		code             int
		missing, refused bool
	}{
		{"NOT_FOUND - no queue 'metrics.ingest' in vhost '/'", 404, true, false},
		{"NOT_FOUND - home node 'a@b' of durable queue 'metrics.ingest' in vhost '/' is down or inaccessible", 404, false, false},
		{"PRECONDITION_FAILED - stream queue 'metrics.ingest' in vhost '/' does not have a running replica on the local node", 406, false, false},
		{"PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue", 406, false, true},
		{"PRECONDITION_FAILED - inequivalent arg 'x-max-age' for queue", 406, false, true},
		{"ACCESS_REFUSED - access to queue refused", 403, false, true},
		{"INTERNAL_ERROR", 541, false, false},
	} {
		err := p.explain(&amqp091.Error{Code: c.code, Reason: c.reason})
		if errors.Is(err, errMissing) != c.missing || errors.Is(err, errTopology) != c.refused {
			t.Errorf("%s: %v", c.reason, err)
		}
	}
}
