package postgres

import (
	"testing"

	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/db/dbtest"
)

func TestControl(t *testing.T) {
	t.Parallel()
	dbtest.RunControl(t, func(t *testing.T) control.Store { t.Helper(); return openTest(t).Control() })
}

func TestImport(t *testing.T) {
	t.Parallel()
	dbtest.RunImport(t, func(t *testing.T) dbtest.Importer { t.Helper(); return openTest(t).Control() })
}
