package postgres

import (
	"testing"

	"github.com/esolutions/esmon/services/db/dbtest"
	"github.com/esolutions/esmon/services/lease"
)

func TestLeases(t *testing.T) {
	t.Parallel()
	dbtest.RunLeases(t, func(t *testing.T) lease.Store { t.Helper(); return openTest(t).Leases() })
}
