package route

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/esolutions/esmon/services/bus"
)

func TestPositionsRoundTrip(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   []bus.Position
		text string
	}{
		{nil, ""},
		{[]bus.Position{{LogID: "ABC", Partition: 0, Offset: 17}}, "0=ABC:17"},
		{[]bus.Position{{LogID: "b-_.9", Partition: 12, Offset: 1 << 62}, {LogID: "A", Partition: 3}}, "3=A:0,12=b-_.9:4611686018427387904"},
		{[]bus.Position{{Partition: 1, Offset: 9}, {LogID: "a b", Partition: 2, Offset: 9}}, "1=-:0,2=-:0"},
	} {
		if got := encode(c.in); got != c.text {
			t.Errorf("encode %v: %q, want %q", c.in, got, c.text)
		}
		if got, err := decode(c.text); err != nil || encode(got) != c.text {
			t.Errorf("decode %q: %v, %v", c.text, got, err)
		}
	}
}

func TestMalformedPositions(t *testing.T) {
	t.Parallel()
	var many strings.Builder
	for i := range maxPositions + 1 {
		fmt.Fprintf(&many, ",%d=A:1", i)
	}
	for _, text := range []string{
		"x", "0", "0=A", "0=A:", "=A:1", "0=:1", "0=A:-1", "0=A:+1", "0=A:01", "00=A:1", "-1=A:1", "0=A:1,", ",0=A:1", "0=A:1,,1=A:1",
		"0=A:9223372036854775808", "2147483648=A:1", "1=A:1,0=A:1", "0=A:1,0=B:2", "0=A b:1", "0=A\x00:1", "0=Ä:1", "0=A:1 ", "0=-:1",
		"0=" + strings.Repeat("A", maxLogIDBytes+1) + ":1", many.String()[1:], strings.Repeat(",", maxPositionsBytes+1),
	} {
		if got, err := decode(text); err == nil {
			t.Errorf("%q was read as %v", text[:min(len(text), 60)], got)
		}
	}
}

func FuzzDecodePositions(f *testing.F) {
	for _, text := range []string{"", "0=ABC:17", "0=A:1,1=-:0,12=b-_.9:4611686018427387904", "1=A:1,0=A:1", "0=A:01"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := decode(text)
		if err != nil {
			return
		}
		if len(got) > maxPositions || encode(got) != text {
			t.Errorf("%q was read as %v, which is %q", text, got, encode(got))
		}
	})
}

func at(partition int, log string, offset int64) bus.Position {
	return bus.Position{LogID: log, Partition: partition, Offset: offset}
}

func TestFarthest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name               string
		before, seen, want []bus.Position
	}{
		{"nothing before", nil, []bus.Position{at(0, "A", 5)}, []bus.Position{at(0, "A", 5)}},
		{"farther", []bus.Position{at(0, "A", 5)}, []bus.Position{at(0, "A", 7)}, []bus.Position{at(0, "A", 7)}},
		{"behind", []bus.Position{at(0, "A", 5)}, []bus.Position{at(0, "A", 3)}, []bus.Position{at(0, "A", 5)}},
		{"a new log", []bus.Position{at(0, "A", 5)}, []bus.Position{at(0, "B", 3)}, []bus.Position{at(0, "B", 3)}},
		{"not begun", []bus.Position{at(0, "A", 5)}, []bus.Position{at(0, "", 0)}, []bus.Position{at(0, "A", 5)}},
		{"a partition less", []bus.Position{at(0, "A", 5), at(1, "A", 5)}, []bus.Position{at(1, "A", 6)}, []bus.Position{at(1, "A", 6)}},
		{"a partition more", []bus.Position{at(1, "A", 5)}, []bus.Position{at(0, "A", 1), at(1, "A", 6)}, []bus.Position{at(0, "A", 1), at(1, "A", 6)}},
	} {
		if got := farthest(c.before, c.seen); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestLowest(t *testing.T) {
	t.Parallel()
	before := []bus.Position{at(0, "A", 5), at(1, "A", 5), at(2, "A", 5), at(3, "A", 5)}
	after := []bus.Position{at(0, "A", 7), at(1, "A", 2), at(2, "B", 9)}
	want := []bus.Position{at(0, "A", 5), at(1, "A", 2), at(2, "", 0), at(3, "", 0)}
	if got := lowest(before, after); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestBehind(t *testing.T) {
	t.Parallel()
	minimum := []bus.Position{at(0, "A", 5), at(1, "A", 5), at(2, "A", 5), at(3, "A", 5), at(4, "A", 5)}
	have := []bus.Position{at(0, "A", 5), at(1, "A", 2), at(2, "B", 1), at(3, "", 0)}
	want := []lag{{1, 3}, {3, 4}, {partition: 4}}
	if got := behind(minimum, have); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
