package load

import "testing"

func FuzzParse(f *testing.F) {
	f.Add([]byte("0.34 0.23 0.28 1/94 20603\n"))
	f.Add([]byte("NaN -1 Inf"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, v := range parse(text) {
			if v < 0 || v > 1e18 {
				t.Errorf("load %v", v)
			}
		}
	})
}
