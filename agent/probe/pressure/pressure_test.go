package pressure

import "testing"

func FuzzParse(f *testing.F) {
	f.Add([]byte("some avg10=9.93 avg60=6.00 avg300=4.04 total=103091053\nfull total=0\n"))
	f.Add([]byte("total=1\nsome total=-1"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for kind, v := range parse(text) {
			if v < 0 {
				t.Errorf("%q: %v", kind, v)
			}
		}
	})
}
