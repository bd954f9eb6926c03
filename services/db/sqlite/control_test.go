package sqlite

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/db/dbtest"
)

func TestControl(t *testing.T) {
	t.Parallel()
	dbtest.RunControl(t, func(t *testing.T) control.Store {
		t.Helper()
		return openAt(t, filepath.Join(t.TempDir(), "control.db")).Control()
	})
}

func TestImport(t *testing.T) {
	t.Parallel()
	dbtest.RunImport(t, func(t *testing.T) dbtest.Importer {
		t.Helper()
		return openAt(t, filepath.Join(t.TempDir(), "control.db")).Control()
	})
}

// A cursor that is ahead of the database is of another one, or the database was put
// back: following it would miss what changes until it is reached.
func TestControlCursorAhead(t *testing.T) {
	t.Parallel()
	s := openAt(t, filepath.Join(t.TempDir(), "control.db")).Control()
	for cursor, want := range map[string]error{"0": nil, "1": control.ErrCursorLost} {
		if _, err := s.AgentChanges(t.Context(), cursor, 10); !errors.Is(err, want) {
			t.Errorf("cursor %s: got %v, want %v", cursor, err, want)
		}
	}
}
