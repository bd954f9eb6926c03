package smallfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/esolutions/esmon/agent/smallfile"
)

func TestRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := smallfile.Read(path, 5); err != nil || string(got) != "12345" {
		t.Errorf("read %q, %v", got, err)
	}
	if _, err := smallfile.Read(path, 4); err == nil || !strings.Contains(err.Error(), path+" has more than 4 bytes") {
		t.Errorf("error is %v", err)
	}
	if _, err := smallfile.Read(path+"x", 4); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error is %v", err)
	}
	if _, err := smallfile.Read(filepath.Dir(path), 4); err == nil {
		t.Error("a directory was read")
	}
}
