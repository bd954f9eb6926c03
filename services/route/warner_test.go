package route

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
)

func TestWarnerPutsWarningsIn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, out string }{
		{`{}`, `{"warnings":["a","b\""]}`},
		{`{"status":"success","data":[]}`, `{"status":"success","data":[],"warnings":["a","b\""]}`},
		{`{"warnings":["x"],"infos":["y"]}`, `{"warnings":["a","b\"","x"],"infos":["y"]}`},
		{`{"warnings": [ ] }`, `{"warnings": ["a","b\"" ] }`},
		{`{"data":{"warnings":["x"]}}`, `{"data":{"warnings":["x"]},"warnings":["a","b\""]}`},
		{`{"data":"warnings","x":["y"]}`, `{"data":"warnings","x":["y"],"warnings":["a","b\""]}`},
		{`{"data":"\"}","x":"{["}`, `{"data":"\"}","x":"{[","warnings":["a","b\""]}`},
	} {
		for size := 1; size <= len(c.in); size++ {
			if got := warned(t, c.in, size); got != c.out {
				t.Errorf("%s in pieces of %d: %s", c.in, size, got)
			}
		}
	}
}

func warned(t *testing.T, text string, size int) string {
	t.Helper()
	var out bytes.Buffer
	w := newWarner(&out, []string{"a", `b"`})
	for begin := 0; begin < len(text); begin += size {
		piece := []byte(text[begin:min(begin+size, len(text))])
		if n, err := w.Write(piece); n != len(piece) || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
	}
	return out.String()
}

// FuzzWarner holds that an answer with warnings is the answer, and the warnings.
func FuzzWarner(f *testing.F) {
	for _, text := range []string{`{}`, `{"a":[1,{"warnings":[]}],"warnings":["x"]}`, `{"warnings":[],"b":"\\"}`, ` { "a" : null } `, `{"\u0077arnings":1}`} {
		f.Add(text, 3)
	}
	f.Fuzz(func(t *testing.T, text string, size int) {
		var want map[string]any
		if json.Unmarshal([]byte(text), &want) != nil || want == nil || size < 1 {
			t.Skip()
		}
		list, ok := want["warnings"].([]any)
		if want["warnings"] != nil && !ok {
			t.Skip() // no answer of ours
		}
		dec := json.NewDecoder(bytes.NewReader([]byte(text)))
		names := map[string]bool{}
		if _, err := dec.Token(); err != nil {
			t.Skip()
		}
		for dec.More() {
			name, _ := dec.Token()
			var raw json.RawMessage
			_ = dec.Decode(&raw)
			if names[name.(string)] || string(raw) == "null" && name == "warnings" || name == "warnings" && !bytes.Contains([]byte(text), []byte(`"warnings"`)) {
				t.Skip() // a name twice, or in escapes
			}
			names[name.(string)] = true
		}
		want["warnings"] = append([]any{"a", `b"`}, list...)
		var got map[string]any
		if err := json.Unmarshal([]byte(warned(t, text, size)), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s became %s: %v", text, warned(t, text, size), err)
		}
	})
}
