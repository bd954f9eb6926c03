package bustest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/bus"
)

func independentReaders(t *testing.T, s *Storage) {
	l := open(t, s)
	publishN(t, l, 0, 20)
	first := bounds(t, l).First
	a, b, c := reader(t, l, first), reader(t, l, first+7), reader(t, l, first+20)
	for i := range 10 {
		if got := string(next(t, a).Payload); got != fmt.Sprintf("record %d", i) {
			t.Errorf("a: %q", got)
		}
		if got := string(next(t, b).Payload); got != fmt.Sprintf("record %d", i+7) {
			t.Errorf("b: %q", got)
		}
	}
	publishN(t, l, 20, 1)
	if got := string(next(t, c).Payload); got != "record 20" {
		t.Errorf("c: %q", got)
	}
	if err := b.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if got := string(next(t, a).Payload); got != "record 10" {
		t.Errorf("a, after b was closed: %q", got)
	}
}

func waitingReader(t *testing.T, s *Storage) {
	l := open(t, s)
	r := reader(t, l, bounds(t, l).Next)
	got := make(chan string)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), within)
			rec, err := r.Next(ctx)
			cancel()
			if err != nil {
				t.Errorf("next: %v", err)
			}
			got <- string(rec.Payload)
		}
	})
	for _, want := range []string{"one", "two", "three"} {
		select {
		case early := <-got:
			t.Fatalf("got %q before it was published", early)
		case <-time.After(20 * time.Millisecond): // the reader waits by now, or will not wait at all
		}
		publish(t, l, want)
		if have := <-got; have != want {
			t.Errorf("got %q, want %q", have, want)
		}
	}
}

func gaps(t *testing.T, s *Storage) {
	l := open(t, s)
	publishN(t, l, 0, 3)
	b := bounds(t, l)
	for _, wanted := range []int64{b.First - 1, b.Next + 1, b.Next + 1000} {
		_, err := l.Read(t.Context(), 0, wanted)
		gap, ok := errors.AsType[*bus.GapError](err)
		if !ok || gap.Wanted != wanted || gap.First != b.First || gap.Next != b.Next || gap.Partition != 0 {
			t.Errorf("read from %d: %v", wanted, err)
		}
	}
}

func reopen(t *testing.T, s *Storage) {
	l := open(t, s)
	publishN(t, l, 0, 4)
	b := bounds(t, l)
	if err := l.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	l = open(t, s)
	after := bounds(t, l)
	if after.LogID != b.LogID || after.First != b.First || after.Next != b.Next || after.Bytes != b.Bytes {
		t.Errorf("bounds %+v; before %+v", after, b)
	}
	if r := reader(t, l, b.First); r.LogID() != b.LogID {
		t.Errorf("the reader's log is %q, want %q", r.LogID(), b.LogID)
	}
	publishN(t, l, 4, 1)
	if got := all(t, l); len(got) != 5 || got[4] != "record 4" {
		t.Errorf("records %q", got)
	}
}

func closed(t *testing.T, s *Storage) {
	l := open(t, s)
	publishN(t, l, 0, 1)
	r := reader(t, l, bounds(t, l).Next)
	ended := make(chan error)
	go func() {
		_, err := r.Next(context.Background())
		ended <- err
	}()
	if err := l.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, bus.ErrClosed) {
			t.Errorf("a waiting reader got %v", err)
		}
	case <-time.After(within):
		t.Fatal("a waiting reader was not told")
	}
	if err := l.Publish(t.Context(), 0, []byte("x")); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("publish: %v", err)
	}
	if _, err := l.Read(t.Context(), 0, 1); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("read: %v", err)
	}
	if _, err := l.Bounds(t.Context(), 0); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("bounds: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}

// crash takes copies of the storage while records are being published. What was
// confirmed before a copy was begun must be in it.
func crash(t *testing.T, s *Storage) {
	if s.Crash == nil {
		t.Skip("the implementation tests this in another way")
	}
	l := open(t, s)
	var mu sync.Mutex
	var confirmed []string
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for p := range 3 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				rec := fmt.Sprintf("%d/%d", p, i)
				if err := l.Publish(t.Context(), 0, []byte(rec)); err != nil {
					t.Errorf("publish: %v", err)
					return
				}
				mu.Lock()
				confirmed = append(confirmed, rec)
				mu.Unlock()
			}
		})
	}
	for range 5 {
		time.Sleep(30 * time.Millisecond)
		mu.Lock()
		want := slices.Clone(confirmed)
		mu.Unlock()
		checkCopy(t, s.Crash(t), bounds(t, l).LogID, want)
	}
	close(stop)
	wg.Wait()
}

func checkCopy(t *testing.T, s *Storage, id string, want []string) {
	t.Helper()
	l := open(t, s)
	if now := bounds(t, l).LogID; now != id {
		t.Errorf("id %q, was %q", now, id)
	}
	have := all(t, l)
	for _, w := range want {
		if !slices.Contains(have, w) {
			t.Fatalf("record %s was confirmed and is gone; %d confirmed, %d there", w, len(want), len(have))
		}
	}
	publish(t, l, "goes on")
	if err := l.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func release(t *testing.T, s *Storage) {
	if !s.Releases {
		t.Skip("this log follows its own retention")
	}
	l := open(t, s)
	publishN(t, l, 0, 10)
	begin := bounds(t, l)
	first := begin.First
	slow, ahead := reader(t, l, first), reader(t, l, first+6)
	for _, before := range []int64{first + 4, first + 4, first, 0} { // the later ones do nothing
		if err := l.Release(t.Context(), stored(begin, before)); err != nil {
			t.Fatalf("release before %d: %v", before, err)
		}
	}
	if err := l.Release(t.Context(), bus.Position{LogID: "another", Offset: first + 9}); err != nil {
		t.Errorf("release of another log: %v", err)
	}
	if b := bounds(t, l); b.First != first+4 || b.Next != first+10 {
		t.Errorf("bounds %+v", b)
	}
	_, err := slow.Next(t.Context())
	if gap, ok := errors.AsType[*bus.GapError](err); !ok || gap.Wanted != first || gap.First != first+4 {
		t.Errorf("a reader that was too slow got %v", err)
	}
	if got := string(next(t, ahead).Payload); got != "record 6" {
		t.Errorf("a reader that was ahead got %q", got)
	}
	if err := l.Release(t.Context(), stored(begin, first+11)); err == nil {
		t.Error("released a record that does not exist yet")
	}
	if got := all(t, l); len(got) != 6 || got[0] != "record 4" {
		t.Errorf("kept %q", got)
	}
}

func neverAgain(t *testing.T, s *Storage) {
	if !s.Releases {
		t.Skip("this log follows its own retention")
	}
	l := open(t, s)
	publishN(t, l, 0, 3)
	full := bounds(t, l)
	end := full.Next
	if err := l.Release(t.Context(), stored(full, end)); err != nil {
		t.Fatal(err)
	}
	if b := bounds(t, l); b.First != end || b.Next != end || b.Bytes != 0 {
		t.Errorf("emptied: %+v", b)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, s)
	if b := bounds(t, l); b.First != end || b.Next != end {
		t.Errorf("emptied and opened again: %+v, want %d", b, end)
	}
	publishN(t, l, 3, 1)
	if rec := next(t, reader(t, l, end)); rec.Offset != end || string(rec.Payload) != "record 3" {
		t.Errorf("record %d %q, want offset %d", rec.Offset, rec.Payload, end)
	}
}
