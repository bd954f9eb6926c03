package dbcopy_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/dbcopy"
	"github.com/esolutions/esmon/services/tsdb"
)

// TestForeignTargets refuses every target that holds something else, and leaves it
// as it is.
func TestForeignTargets(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	i.drain()
	for name, c := range map[string]struct {
		fill func(t *testing.T, to *target)
		want string
	}{
		"a token": {func(t *testing.T, to *target) {
			must(t, to.Control().CreateToken(t.Context(), control.Token{ID: "x", SecretHash: []byte("x"), Uses: 1, Created: now, Expires: now}, 10))
		}, "it holds 1 tokens, 0 agents, 0 rows of alerts, 0 blocks and 0 definitions"},
		"a silence": {func(t *testing.T, to *target) {
			must(t, to.Alerts().PutSilence(t.Context(), alert.Silence{ID: "x"}))
		}, "it holds 0 tokens, 0 agents, 1 rows of alerts, 0 blocks and 0 definitions"},
		"a server stored something": {func(t *testing.T, to *target) {
			must(t, to.Chunks().Commit(t.Context(), &tsdb.Cut{To: tsdb.Position{LogID: "log", Offset: 2, Cut: 1}, Now: now}))
		}, "a server has stored data in it (partition 0, cut 1)"},
		"a server stored something in another partition": {func(t *testing.T, to *target) {
			must(t, to.Chunks().Commit(t.Context(), &tsdb.Cut{Partition: 3, To: tsdb.Position{Offset: 1, Cut: 5}, Now: now}))
		}, "a server has stored data in it (partition 3, cut 5)"},
		"another copy": {func(t *testing.T, to *target) {
			copyAll(t, openInstallation(t, t.TempDir()).database(), to.database())
		}, "it holds another copy"},
		"a part of another copy": {func(t *testing.T, to *target) {
			other := openInstallation(t, t.TempDir())
			other.publish(1, now, 1, 1)
			other.drain()
			interrupt(t, other.database(), to)
		}, "a part of another copy"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := newTarget(t)
			c.fill(t, to)
			before, err := to.Chunks().Load(t.Context())
			must(t, err)
			_, err = dbcopy.Copy(t.Context(), i.database(), to.database(), ignore)
			if !errors.Is(err, dbcopy.ErrTargetInUse) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			after, err := to.Chunks().Load(t.Context())
			if must(t, err); !reflect.DeepEqual(after, before) {
				t.Errorf("the target was changed from %+v to %+v", before, after)
			}
		})
	}
}

// interrupt copies a part.
func interrupt(t *testing.T, from dbcopy.Database, to *target) {
	t.Helper()
	f := &fault{done: map[string]bool{"claim 0": true, "import 0": true}, seen: map[string]int{}}
	_, err := dbcopy.Copy(t.Context(), from, dbcopy.Database{Registry: faultyRegistry{to.Control(), f}, Alerts: to.Alerts(), Chunks: faultyStore{to.Chunks(), f}}, ignore)
	if !errors.Is(err, errFault) {
		t.Fatal(err)
	}
}

// TestSourceWentOn refuses to go on with a copy of an installation that changed
// meanwhile in any way.
func TestSourceWentOn(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(i *installation){
		"stored": func(i *installation) { i.publish(1, now, 3, 3); i.drain() },
		"merged": func(i *installation) { i.mergeAll() },
		"silenced": func(i *installation) {
			must(i, i.file.Alerts().PutSilence(i.Context(), alert.Silence{ID: "another"}))
		},
		"delivered": func(i *installation) {
			must(i, i.file.Alerts().Finish(i.Context(), "n1", alert.Attempt{Time: 9}, alert.Delivered, 0))
		},
		"enrolled": func(i *installation) {
			must(i, i.file.Control().RevokeAgent(i.Context(), "agent-0", now))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i, to := newInstallation(t), newTarget(t)
			i.drain()
			interrupt(t, i.database(), to)
			change(i)
			if _, err := dbcopy.Copy(t.Context(), i.database(), to.database(), ignore); !errors.Is(err, dbcopy.ErrTargetInUse) || !strings.Contains(err.Error(), "a server ran on the source again") {
				t.Errorf("got %v", err)
			}
		})
	}
}
