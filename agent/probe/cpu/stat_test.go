package cpu

import (
	"os"
	"testing"
)

func FuzzParseStat(f *testing.F) {
	text, err := os.ReadFile("testdata/linux/proc/stat")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("cpu0 1 2\nctxt\nintr x\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s := parseStat(text)
		for _, c := range s.cpus {
			for _, v := range c.times.row() {
				if v < 0 {
					t.Errorf("CPU %s: %v", c.number, v)
				}
			}
		}
	})
}
