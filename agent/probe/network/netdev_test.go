package network

import (
	"os"
	"testing"
	"unicode/utf8"
)

func FuzzParse(f *testing.F) {
	text, err := os.ReadFile("testdata/linux/proc/net/dev")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("eth0:1\n:\nä: 1 2 3"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, d := range parse(text) {
			if d.name == "" || !utf8.ValidString(d.name) || len(d.common()) != 8 {
				t.Errorf("%+v", d)
			}
		}
	})
}
