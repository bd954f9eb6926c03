package storage_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/storage"
	"github.com/esolutions/esmon/services/tsdb"
)

// TestFollowsStoresAndReleases is the ordinary life: records are seen by queries
// at once, stored soon, and the log lets go of them.
func TestFollowsStoresAndReleases(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.run()
	for range 5 {
		r.publish("a")
	}
	r.wantValues(5)
	r.wantCommitted(6)
	r.wantReleased(6)
	if err := r.s.Ready(); err != nil {
		t.Errorf("not ready: %v", err)
	}
	p, err := r.s.Progress(t.Context(), 0)
	if err != nil || p.Head != 6 || p.Committed != 6 || p.Lag != 0 {
		t.Errorf("progress %+v, %v", p, err)
	}
	r.wantValues(5)
}

// TestStopStoresTheRest ends the process right after the records came.
func TestStopStoresTheRest(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.tsdbCfg.CutEvery = time.Hour
	r.run()
	r.publish("a")
	r.publish("b")
	r.wantValues(2)
	r.halt()
	r.open()
	if got := r.committed(); got != 3 {
		t.Errorf("stored before offset %d", got)
	}
	r.wantValues(2) // without reading the log
}

// TestKilledReadsAgain ends the process without a last cut, again and again.
func TestKilledReadsAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.tsdbCfg.CutEvery = time.Hour
	for life := range 5 {
		r.run()
		for range 3 {
			r.publish(fmt.Sprint("host", life%2))
		}
		r.wantValues(3 * (life + 1))
		if life == 2 {
			if _, err := r.db.Cut(t.Context(), 0); err != nil { // stored, and not released
				t.Fatal(err)
			}
		}
		r.store.fail(errors.New("killed"), false)
		r.halt()
	}
	r.run()
	r.wantValues(15)
}

// TestDatabaseFails lets the database fail for a while: nothing is lost, and who
// asks is told.
func TestDatabaseFails(t *testing.T) {
	t.Parallel()
	for _, happened := range []bool{false, true} {
		t.Run(fmt.Sprintf("commits happen all the same %t", happened), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.run()
			r.publish("a")
			r.wantCommitted(2)
			r.store.fail(errors.New("database on fire"), happened)
			r.publish("a")
			r.eventually("the failure is told", func() error {
				if err := r.s.Ready(); err == nil || !strings.Contains(err.Error(), "database on fire") && !errors.Is(err, tsdb.ErrConflict) {
					return fmt.Errorf("ready says %w", err)
				}
				return nil
			})
			r.publish("b")
			r.eventually("the last record is seen", func() error {
				if n := len(r.values()); n != 3 {
					return fmt.Errorf("%d values", n)
				}
				return nil
			})
			r.store.fail(nil, false)
			r.wantCommitted(4)
			r.wantValues(3)
			r.eventually("it is ready again", r.s.Ready)
			if r.metric("esmon_storage_cut_failures_total", nil) == 0 {
				t.Error("no failure was counted")
			}
			if conflicts := r.metric("esmon_storage_cut_conflicts_total", nil); happened != (conflicts > 0) {
				t.Errorf("%v conflicts", conflicts)
			}
		})
	}
}

// TestDataLossIsAlarmed takes the log away in every way there is.
func TestDataLossIsAlarmed(t *testing.T) {
	t.Parallel()
	removeLog := func(r *rig) {
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if err := os.Remove(r.path("es_ingest.db" + suffix)); err != nil && !errors.Is(err, os.ErrNotExist) {
				r.t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		harm func(r *rig) // between two lives; the first published 1 to 3 and stored all
		want string
	}{
		"the log was made anew": {removeLog, "this is another"},
		"records behind the position are gone": {func(r *rig) {
			r.open()
			for range 3 {
				r.publishRaw([]byte("never read"))
			}
			b, err := r.log.Bounds(r.t.Context(), 0)
			if err != nil {
				r.t.Fatal(err)
			}
			if err := r.log.Release(r.t.Context(), bus.Position{LogID: b.LogID, Offset: 6}); err != nil {
				r.t.Fatal(err)
			}
			r.close()
		}, "records 4 to 5"},
		"the database was made anew": {func(r *rig) {
			for _, suffix := range []string{"", "-wal", "-shm"} {
				_ = os.Remove(r.path("es_monitor.db" + suffix)) // some are not there
			}
		}, "records 1 to 3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.run()
			for range 3 {
				r.publish("a")
			}
			r.wantCommitted(4)
			r.wantReleased(4)
			r.halt()
			c.harm(r)
			r.run()
			r.eventually("the loss is alarmed", func() error {
				if n := r.metric("esmon_storage_data_loss_total", map[string]string{"cause": "gap"}); n != 1 {
					return fmt.Errorf("%v losses", n)
				}
				return nil
			})
			r.publish("a") // the fourth
			r.eventually("it goes on", func() error {
				if got := r.values(); len(got) == 0 || got[len(got)-1] != 4 {
					return fmt.Errorf("%v", got)
				}
				return nil
			})
			r.eventually("it is noted", func() error {
				list, err := r.db.Rejected(t.Context(), 10)
				if err != nil {
					return err
				}
				for _, x := range list {
					if x.Reason == "log_gap" && strings.Contains(x.Message, c.want) {
						return nil
					}
				}
				return fmt.Errorf("rejected: %+v", list)
			})
		})
	}
}

// TestCorruptRecord is passed over, loudly.
func TestCorruptRecord(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.run()
	r.publish("a")
	r.publishRaw([]byte("this is no record"))
	r.publish("a")
	r.wantValues(2)
	r.wantCommitted(4)
	if n := r.metric("esmon_storage_data_loss_total", map[string]string{"cause": "corrupt"}); n != 1 {
		t.Errorf("%v losses", n)
	}
	list, err := r.db.Rejected(t.Context(), 10)
	if err != nil || len(list) != 1 || list[0].Reason != "record_corrupt" || list[0].Offset != 2 {
		t.Errorf("rejected: %+v, %v", list, err)
	}
}

// TestRecordOfANewerProgram is what an older program finds after a downgrade: it
// must neither pass over the record nor let the log go of it.
func TestRecordOfANewerProgram(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.run()
	r.publish("a")
	r.wantCommitted(2)
	newer := r.encoded("a")
	newer[4] = 99 // the version of the format
	r.publishRaw(newer)
	if err := <-r.done; err == nil || !strings.Contains(err.Error(), "record 2 was written by a newer esmon") {
		t.Errorf("storage ended with %v", err)
	}
	r.stop = nil
	if b, err := r.log.Bounds(t.Context(), 0); err != nil || b.Next != 3 || b.First > 2 {
		t.Errorf("the log keeps %+v, %v", b, err)
	}
	if got := r.committed(); got != 2 {
		t.Errorf("stored before offset %d", got)
	}
}

// TestUpkeep lets a block end, be merged, and grow old.
func TestUpkeep(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.tsdbCfg.Retention = 24 * time.Hour
	r.run()
	for i := range 3 {
		r.publish("a")
		r.wantCommitted(int64(i + 2))
	}
	r.advance(5 * time.Hour)
	r.eventually("the block is merged", func() error {
		blocks, err := r.db.Blocks(t.Context())
		if err == nil && (len(blocks) == 0 || !blocks[0].Merged || blocks[0].Cuts != 0) {
			err = fmt.Errorf("%+v", blocks)
		}
		return err
	})
	r.wantValues(3)
	r.advance(26 * time.Hour)
	r.eventually("the block is dropped", func() error {
		blocks, err := r.db.Blocks(t.Context())
		if err == nil && len(blocks) != 0 {
			err = fmt.Errorf("%+v", blocks)
		}
		return err
	})
	if n := r.metric("esmon_storage_blocks_dropped_total", nil); n == 0 {
		t.Error("no dropped block was counted")
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	cfg := storage.Config{MergeAfter: -1}
	err := cfg.Validate()
	for _, key := range []string{"merge_after", "late_cuts", "upkeep_interval", "sweep_after", "retry_pause", "stop_timeout"} {
		if err == nil || !strings.Contains(err.Error(), key+": must be at least") {
			t.Errorf("%s is not named in %v", key, err)
		}
	}
}

// TestOldLogPutBack restores an old copy of the log: the stored position lies
// behind its end.
func TestOldLogPutBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.run()
	r.publish("a")
	r.wantCommitted(2)
	r.halt()
	old, err := os.ReadFile(r.path("es_ingest.db"))
	if err != nil {
		t.Fatal(err)
	}
	r.run()
	r.publish("a")
	r.publish("a")
	r.wantCommitted(4)
	r.halt()
	if err := os.WriteFile(r.path("es_ingest.db"), old, 0o600); err != nil {
		t.Fatal(err)
	}
	r.run()
	r.eventually("the loss is alarmed", func() error {
		if n := r.metric("esmon_storage_data_loss_total", map[string]string{"cause": "gap"}); n != 1 {
			return fmt.Errorf("%v losses", n)
		}
		return nil
	})
	r.publish("a") // takes an offset that was stored once before
	r.wantValues(4)
	r.wantCommitted(3)
}
