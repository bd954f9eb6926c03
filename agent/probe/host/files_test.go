package host

import (
	"slices"
	"testing"
)

func TestParseList(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]int{
		"0-3\n": {0, 1, 2, 3}, "0,2-3": {0, 2, 3}, "7": {7}, "": nil, "3-1": nil, "a": nil, "-1": nil, "0-999999": nil, "0,": nil,
	} {
		if got := parseList(text); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func FuzzFiles(f *testing.F) {
	f.Add("NAME=\"a\\\"b\"\nX='y'\nZ=\"")
	f.Add("0-3,8")
	f.Add("model name : AMD EPYC\n")
	f.Fuzz(func(t *testing.T, text string) {
		parseRelease(text)
		parseModel(text)
		if n := len(parseList(text)); n > (len(text)+1)*(maxCPU+1) {
			t.Errorf("%d CPUs in %d bytes", n, len(text))
		}
	})
}
