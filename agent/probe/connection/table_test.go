package connection

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadingFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	if _, _, err := countStates(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("error %v, want the reader's", err)
	}
}

func TestLargeTable(t *testing.T) {
	t.Parallel()
	const row = "   3: 0F02000A:0016 0202000A:D2F6 06 00000000:00000000 03:00000A72 00000000     0        0 0 3 0000000000000000\n"
	counts, total, err := countStates(strings.NewReader("  sl  local_address rem_address   st\n" + strings.Repeat(row, 200_000)))
	if err != nil || total != 200_000 || counts[5] != 200_000 {
		t.Errorf("%v of %v, error %v", counts, total, err)
	}
}

func FuzzCountStates(f *testing.F) {
	text, err := os.ReadFile("testdata/linux/proc/net/tcp")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("sl\n0: a b ff \n: : : 01 "))
	f.Fuzz(func(t *testing.T, text []byte) {
		counts, total, err := countStates(bytes.NewReader(text))
		if err != nil {
			t.Error(err)
		}
		var sum float64
		for _, n := range counts {
			sum += n
		}
		if lines := float64(bytes.Count(text, []byte("\n"))); sum > total || total > lines {
			t.Errorf("%v in states, %v in all, %v lines", sum, total, lines)
		}
	})
}

func BenchmarkCountStates(b *testing.B) {
	const row = "   3: 0F02000A:0016 0202000A:D2F6 06 00000000:00000000 03:00000A72 00000000     0        0 0 3 0000000000000000\n"
	text := "  sl  local_address rem_address   st\n" + strings.Repeat(row, 100_000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, _, err := countStates(strings.NewReader(text)); err != nil {
			b.Fatal(err)
		}
	}
}
