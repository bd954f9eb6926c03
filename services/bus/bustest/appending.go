package bustest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/bus"
)

func emptyLog(t *testing.T, s *Storage) {
	l := open(t, s)
	if p := l.Partitions(); len(p) == 0 || p[0] != 0 || !slices.Equal(l.Readable(), p) {
		t.Errorf("partitions %d, to read %d", p, l.Readable())
	}
	b := bounds(t, l)
	if b.LogID == "" || b.First != 1 || b.Next != 1 || b.Bytes != 0 || !b.Oldest.IsZero() {
		t.Errorf("bounds %+v", b)
	}
	nothing(t, reader(t, l, b.Next))
}

func offsets(t *testing.T, s *Storage) {
	l := open(t, s)
	before := time.Now().Add(-time.Minute)
	publishN(t, l, 0, 5)
	b := bounds(t, l)
	if b.First != 1 || b.Next != 6 || s.Releases && b.Bytes <= 0 || b.Oldest.Before(before) || b.Oldest.After(time.Now().Add(time.Minute)) {
		t.Errorf("bounds %+v", b)
	}
	r := reader(t, l, b.First)
	for i := range int64(5) {
		rec := next(t, r)
		if rec.Offset != b.First+i || string(rec.Payload) != fmt.Sprintf("record %d", i) || rec.Time.Before(before) {
			t.Errorf("record %d: %d %q %v", i, rec.Offset, rec.Payload, rec.Time)
		}
	}
}

func payloads(t *testing.T, s *Storage) {
	l := open(t, s)
	var want [][]byte
	for _, size := range []int{0, 1, 100, 16 << 10, 300 << 10, 2 << 20} {
		p := bytes.Repeat([]byte{byte(size), 0, 0xff}, size/3+1)[:size]
		want = append(want, p)
		if err := l.Publish(t.Context(), 0, p); err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
	}
	for i, p := range all(t, l) {
		if p != string(want[i]) {
			t.Errorf("record of %d bytes differs", len(want[i]))
		}
	}
}

func buffers(t *testing.T, s *Storage) {
	l := open(t, s)
	early := reader(t, l, bounds(t, l).Next)
	buf := []byte("mine")
	if err := l.Publish(t.Context(), 0, buf); err != nil {
		t.Fatal(err)
	}
	copy(buf, "xxxx")
	got := next(t, early)
	if string(got.Payload) != "mine" {
		t.Errorf("the log kept the caller's buffer: %q", got.Payload)
	}
	copy(got.Payload, "yyyy")
	if again := all(t, l); again[0] != "mine" {
		t.Errorf("a reader changed what another sees: %q", again[0])
	}
}

func concurrentPublishers(t *testing.T, s *Storage) {
	l := open(t, s)
	live := reader(t, l, bounds(t, l).Next)
	var wg sync.WaitGroup
	var want []string
	for p := range 8 {
		for i := range 25 {
			want = append(want, fmt.Sprintf("%d/%d", p, i))
		}
		wg.Go(func() {
			for i := range 25 {
				if err := l.Publish(t.Context(), 0, fmt.Appendf(nil, "%d/%d", p, i)); err != nil {
					t.Errorf("publish: %v", err)
				}
			}
		})
	}
	var seen []string
	for range want {
		seen = append(seen, string(next(t, live).Payload))
	}
	wg.Wait()
	stored := all(t, l)
	if !slices.Equal(seen, stored) {
		t.Error("a reader that followed saw another order than one that came later")
	}
	inOrder(t, stored)
	slices.Sort(want)
	slices.Sort(stored)
	if !slices.Equal(want, stored) {
		t.Errorf("%d records, want %d", len(stored), len(want))
	}
}

// inOrder checks that the records of one publisher, who waited for each, are in
// the order he sent them.
func inOrder(t *testing.T, records []string) {
	t.Helper()
	last := map[string]int{}
	for _, r := range records {
		who, num, _ := strings.Cut(r, "/")
		var n int
		if _, err := fmt.Sscan(num, &n); err != nil {
			t.Fatal(err)
		}
		if n < last[who] {
			t.Errorf("record %s stands behind %d", r, last[who])
		}
		last[who] = n
	}
}

func contexts(t *testing.T, s *Storage) {
	l := open(t, s)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Publish(ended, 0, []byte("late")); !errors.Is(err, context.Canceled) {
		t.Errorf("publish: %v", err)
	}
	if _, err := reader(t, l, bounds(t, l).Next).Next(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("next: %v", err)
	}
	publish(t, l, "fine")
	if got := all(t, l); got[len(got)-1] != "fine" {
		t.Errorf("records %q", got)
	}
}

func wrongPartition(t *testing.T, s *Storage) {
	l := open(t, s)
	id := bounds(t, l).LogID
	for _, p := range []int{-1, slices.Max(l.Readable()) + 1} {
		if err := l.Publish(t.Context(), p, nil); !errors.Is(err, bus.ErrNoPartition) {
			t.Errorf("published to partition %d: %v", p, err)
		}
		if _, err := l.Read(t.Context(), p, 0); !errors.Is(err, bus.ErrNoPartition) {
			t.Errorf("read partition %d: %v", p, err)
		}
		if _, err := l.Bounds(t.Context(), p); !errors.Is(err, bus.ErrNoPartition) {
			t.Errorf("bounds of partition %d: %v", p, err)
		}
		if err := l.Release(t.Context(), bus.Position{LogID: id, Partition: p}); !errors.Is(err, bus.ErrNoPartition) {
			t.Errorf("released partition %d: %v", p, err)
		}
	}
}

func full(t *testing.T, s *Storage) {
	if !s.Releases {
		t.Skip("this log follows its own retention")
	}
	l := s.Open(t, 1<<20)
	t.Cleanup(func() { _ = l.Close() })
	big := make([]byte, 100<<10)
	var err error
	n := 0
	for ; err == nil && n < 100; n++ {
		err = l.Publish(t.Context(), 0, big)
	}
	if !errors.Is(err, bus.ErrFull) {
		t.Fatalf("after %d records of %d bytes: %v", n, len(big), err)
	}
	b := bounds(t, l)
	if err := l.Release(t.Context(), stored(b, b.First+3)); err != nil {
		t.Fatal(err)
	}
	if err := l.Publish(t.Context(), 0, big); err != nil {
		t.Errorf("after a release: %v", err)
	}
	if after := bounds(t, l); after.First != b.First+3 || after.Next != b.Next+1 {
		t.Errorf("bounds %+v, before %+v", after, b)
	}
}
