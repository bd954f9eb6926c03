package receivertest

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Golden compares with testdata/<name>, or writes it if the flag -update is set.
func Golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path) //nolint:gosec // the test names it
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what is sent now; if it should be, run the test with -update. Got:\n%s", path, got)
	}
}

// GoldenJSON does the same with JSON, indented.
func GoldenJSON(t *testing.T, name string, got ...[]byte) {
	t.Helper()
	var all bytes.Buffer
	for _, g := range got {
		if err := json.Indent(&all, g, "", " "); err != nil {
			t.Fatalf("not valid JSON: %v", err)
		}
		all.WriteByte('\n')
	}
	Golden(t, name, all.Bytes())
}
