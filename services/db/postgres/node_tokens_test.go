package postgres

import (
	"testing"

	"github.com/esolutions/esmon/services/cluster"
	"github.com/esolutions/esmon/services/db/dbtest"
)

func TestNodeTokens(t *testing.T) {
	t.Parallel()
	dbtest.RunNodeTokens(t, func(t *testing.T) cluster.TokenStore { t.Helper(); return openTest(t).NodeTokens() })
}
