package sqlite

import (
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
