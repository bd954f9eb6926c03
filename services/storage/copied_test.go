package storage_test

import (
	"strings"
	"testing"

	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/tsdb"
)

// setPosition puts the position of partition 0 into the database, as something other than storage does.
func (r *rig) setPosition(pos tsdb.Position) {
	r.t.Helper()
	if err := r.file.Chunks().Commit(r.t.Context(), &tsdb.Cut{To: pos, Now: r.now()}); err != nil {
		r.t.Fatal(err)
	}
}

// TestPositionOfNoLog checks that storage begins with the first record of whatever
// log there is where the database was copied from elsewhere, and counts cuts on.
func TestPositionOfNoLog(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		gone   int // records that are not in the log any more
		losses float64
	}{"nothing is missing": {0, 0}, "the first records are gone": {2, 1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.open()
			r.setPosition(tsdb.Position{Offset: 1, Cut: 41})
			for range c.gone {
				r.publishRaw([]byte("never read"))
			}
			b, err := r.log.Bounds(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.log.Release(t.Context(), bus.Position{LogID: b.LogID, Offset: b.Next}); err != nil {
				t.Fatal(err)
			}
			r.close()
			r.run()
			r.publish("a")
			r.wantCommitted(int64(c.gone) + 2)
			r.wantValues(1)
			if pos := r.db.Position(0); pos.LogID != b.LogID || pos.Cut < 42 || pos.Cut > 44 {
				t.Errorf("the position is %+v", pos)
			}
			if n := r.metric("esmon_storage_data_loss_total", map[string]string{"cause": "gap"}); n != c.losses {
				t.Errorf("%v losses, want %v", n, c.losses)
			}
		})
	}
}

// TestSeveralProcessesOverACopy lets processes follow a log into a copied database.
func TestSeveralProcessesOverACopy(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.open()
	r.setPosition(tsdb.Position{Offset: 1, Cut: 41})
	leases := newLeaseTable()
	all := []*process{r.start("a", leases), r.start("b", leases)}
	for range 5 {
		r.publish("host")
	}
	for _, p := range all {
		p.wantValues(5)
		p.wantStored(6)
	}
	r.leader(all...)
}

// TestIncompleteCopy checks that storage does not run over a part of a copy.
func TestIncompleteCopy(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.open()
	r.setPosition(tsdb.Position{LogID: tsdb.Copying("x"), Offset: 5, Cut: 3})
	r.close()
	r.run()
	err := <-r.done
	r.stop = nil
	if err == nil || !strings.Contains(err.Error(), "a part of a copy") {
		t.Errorf("storage ended with %v", err)
	}
}
