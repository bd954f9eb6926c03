package dashboard

import (
	"io/fs"
	"testing"
	"testing/fstest"
)

func TestBuilt(t *testing.T) {
	t.Parallel()
	page := &fstest.MapFile{Data: []byte("<!doctype html>")}
	tests := []struct {
		name string
		fs   fstest.MapFS
		want bool
	}{
		{"fresh checkout", fstest.MapFS{"dist/.gitkeep": {}}, false},
		{"no folder", fstest.MapFS{}, false},
		{"built", fstest.MapFS{"dist/.gitkeep": {}, "dist/index.html": page}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, ok := built(tt.fs)
			if ok != tt.want || (got != nil) != tt.want {
				t.Fatalf("built = %v, %v; want ok %v", got, ok, tt.want)
			}
			if !ok {
				return
			}
			if b, err := fs.ReadFile(got, "index.html"); err != nil || string(b) != string(page.Data) {
				t.Fatalf("index.html = %q, %v", b, err)
			}
		})
	}
}

// TestFS holds the answer against the folder that was embedded, whichever of
// the two it is.
func TestFS(t *testing.T) {
	t.Parallel()
	f, ok := FS()
	_, err := fs.Stat(dist, "dist/index.html")
	if ok != (err == nil) || ok != (f != nil) {
		t.Fatalf("FS = %v, %v; index.html: %v", f, ok, err)
	}
}
