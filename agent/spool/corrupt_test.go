package spool_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/agent/spool"
)

// filled returns the configuration of a closed spool with batches in it.
func filled(t *testing.T) (spool.Config, *clock) {
	t.Helper()
	b := open(t, nil)
	for range 200 {
		b.put("sda", "sdb", "sdc")
		b.clock.Add(time.Second)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return b.cfg, b.clock
}

func TestDamagedFileIsSetAside(t *testing.T) {
	t.Parallel()
	damage := map[string]func(data []byte) []byte{
		"garbage":                 func([]byte) []byte { return []byte(strings.Repeat("this is no database ", 500)) },
		"truncated":               func(d []byte) []byte { return d[:len(d)/2] },
		"truncated within a page": func(d []byte) []byte { return d[:len(d)/2+100] },
		"header zeroed":           func(d []byte) []byte { clear(d[:100]); return d },
		"pages zeroed":            func(d []byte) []byte { clear(d[4096 : len(d)-4096]); return d },
		"tail zeroed":             func(d []byte) []byte { clear(d[len(d)*3/4:]); return d },
		"another version": func(d []byte) []byte {
			copy(d[60:], []byte{0, 0, 0, 99}) // user_version
			return d
		},
	}
	for name, f := range damage {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, c := filled(t)
			data, err := os.ReadFile(cfg.Path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(cfg.Path, f(data), 0o600); err != nil {
				t.Fatal(err)
			}
			b := reopen(t, cfg, c)
			aside, _ := filepath.Glob(cfg.Path + ".corrupt-*")
			if len(aside) == 0 {
				t.Fatal("the damaged file was not kept")
			}
			b.put("sda")
			if n := len(b.all()); n != 1 {
				t.Errorf("%d batches in the new spool, want 1", n)
			}
			gaps := b.Gaps()
			if len(gaps) != 1 || gaps[0].Reason != spool.ReasonCorrupt || gaps[0].To == 0 {
				t.Errorf("gaps %+v", gaps)
			}
			if name == "another version" && (gaps[0].Samples != 1200 || gaps[0].Batches != 200) {
				t.Errorf("what was readable was not reported: %+v", gaps[0])
			}
			if b.Stats().Totals.Corruptions != 1 {
				t.Error("the damage was not counted")
			}
		})
	}
}

func TestEmptyFileIsNew(t *testing.T) {
	t.Parallel()
	cfg, c := filled(t)
	if err := os.Truncate(cfg.Path, 0); err != nil {
		t.Fatal(err)
	}
	reopen(t, cfg, c).put("sda")
}

func TestOldDamagedFilesAreForgotten(t *testing.T) {
	t.Parallel()
	cfg, c := filled(t)
	for range 5 {
		if err := os.WriteFile(cfg.Path, []byte(strings.Repeat("no database", 1000)), 0o600); err != nil {
			t.Fatal(err)
		}
		c.Add(time.Minute)
		b := reopen(t, cfg, c)
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	aside, _ := filepath.Glob(cfg.Path + ".corrupt-*")
	if len(aside) != 2 {
		t.Errorf("kept are %v, want two", aside)
	}
}

func TestDamageWhileRunning(t *testing.T) {
	t.Parallel()
	b := open(t, nil)
	for range 200 {
		b.put("sda", "sdb")
		b.clock.Add(time.Second)
	}
	held, id := b.Stats(), b.ID()
	batch := b.all()[0]
	b.breakTables()
	b.put("sda") // sdb vanished
	if b.ID() == id {
		t.Fatal("the spool was not replaced")
	}
	gaps := b.Gaps()
	if len(gaps) != 1 || gaps[0].Samples != held.Samples || gaps[0].Batches != 200 || gaps[0].From != batch.From {
		t.Errorf("gaps %+v, want all that was held: %+v", gaps, held)
	}
	b.wantEnded("sdb") // live entities went into the new file
	if again := b.kill(); len(again.all()) != 1 {
		t.Errorf("the new file holds %d batches, want 1", len(again.all()))
	}
	if err := b.Ack(t.Context(), id, []spool.Range{{First: 1, Last: 1000}}); err == nil {
		t.Error("an acknowledgement of the old spool was taken for the new one")
	}
}

func TestDamagedBatchIsAGap(t *testing.T) {
	t.Parallel()
	b := open(t, nil)
	for range 3 {
		b.put("sda")
		b.clock.Add(time.Second)
	}
	if err := b.Exec(t.Context(), "UPDATE batch SET payload = substr(payload, 1, 20) || x'00ff' || substr(payload, 23) WHERE seq = 2"); err != nil {
		t.Fatal(err)
	}
	if left := b.all(); len(left) != 2 || left[1].Sequence != 3 {
		t.Errorf("left are %v", left)
	}
	gaps := b.Gaps()
	if len(gaps) != 1 || gaps[0].Reason != spool.ReasonCorrupt || gaps[0].First != 2 || gaps[0].Samples != 2 {
		t.Errorf("gaps %+v", gaps)
	}
}

func TestDirectoryThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	cfg := spool.DefaultConfig()
	cfg.Path = filepath.Join(t.TempDir(), "none", "spool.db")
	if _, err := spool.Open(t.Context(), cfg, time.Now, nil); err == nil || !strings.Contains(err.Error(), cfg.Path) {
		t.Errorf("error is %v; it must name the file", err)
	}
}

func FuzzDecode(f *testing.F) {
	good, err := spool.Encode(1, 2, 3)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd})
	f.Fuzz(func(t *testing.T, payload []byte) {
		if n, err := spool.Decode(payload); err == nil && n > len(payload)*1<<20 {
			t.Errorf("%d frames out of %d bytes", n, len(payload))
		}
	})
}
