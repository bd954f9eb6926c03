package disk

import (
	"os"
	"testing"
	"unicode/utf8"
)

func FuzzParse(f *testing.F) {
	text, err := os.ReadFile("testdata/linux/proc/diskstats")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("8 0 sda 1 2 3\n\xff \xff \xff \xff"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, c := range parse(text) {
			if c.device == "" || !utf8.ValidString(c.device) || c.read.bytes < 0 || c.write.seconds < 0 {
				t.Errorf("%+v", c)
			}
		}
	})
}
