package enrol_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/agent/agenttest"
	"github.com/esolutions/esmon/agent/collectors"
	"github.com/esolutions/esmon/agent/enrol"
)

// direct is a dialer without a proxy.
func direct(t *testing.T) *collectors.Dialer {
	t.Helper()
	d, err := collectors.New(collectors.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestEnrolAndKeep(t *testing.T) {
	t.Parallel()
	s := agenttest.New(t)
	dir := filepath.Join(t.TempDir(), "state")
	i, err := enrol.Enrol(t.Context(), direct(t), []string{"127.0.0.1:1", s.Addr()}, " "+s.Token+"\n", "", enrol.Facts{HostName: "h"})
	if err != nil {
		t.Fatal(err)
	}
	if err := enrol.Save(dir, i); err != nil {
		t.Fatal(err)
	}
	st, err := enrol.OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := st.Identity()
	if got.AgentID != "agent1" || len(got.Servers) != 2 || !got.Expires().Equal(i.Expires()) || st.Counter() != 0 {
		t.Errorf("kept is %+v", got)
	}
	if at := got.RenewAt(); at.Before(time.Now().Add(35*time.Minute)) || at.After(time.Now().Add(45*time.Minute)) {
		t.Errorf("a certificate of an hour is renewed at %s", at)
	}
	if runtime.GOOS == "windows" {
		return // rights are not in the mode there
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "identity.json"): 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", path, info.Mode().Perm(), want)
		}
	}
}

func TestRefusedEnrolment(t *testing.T) {
	t.Parallel()
	s, other := agenttest.New(t), agenttest.New(t)
	parts := strings.Split(s.Token, ".")
	unknown := strings.Join([]string{parts[0], parts[1], strings.Repeat("a", len(parts[2])-1) + "a", parts[3]}, ".")
	for _, c := range []struct{ name, server, token, want string }{
		{"no token", s.Addr(), "hello", "not an enrolment token"},
		{"of another server", s.Addr(), other.Token, "the server's CA is not the one that the token names"},
		{"unknown", s.Addr(), unknown, "the token is not known here"},
		{"nobody there", "127.0.0.1:1", s.Token, "enrol at 127.0.0.1:1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := enrol.Enrol(t.Context(), direct(t), []string{c.server}, c.token, "", enrol.Facts{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want …%s…", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), parts[2]) {
				t.Error("the error shows the secret")
			}
		})
	}
}

// The first collectors of the list are in trouble; what was given is kept.
func TestEnrolAtTheNext(t *testing.T) {
	t.Parallel()
	s, foreign := agenttest.New(t), agenttest.New(t)
	servers := []string{"gone.invalid:8443", agenttest.Resetter(t, "127.0.0.1:0").Addr(), agenttest.NoTLS(t, "127.0.0.1:0").Addr(), foreign.Addr(), s.Addr(), "[::1]:1"}
	i, err := enrol.Enrol(t.Context(), direct(t), servers, s.Token, "", enrol.Facts{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(i.Servers, servers) {
		t.Errorf("kept are %q", i.Servers)
	}
}

// A token that one collector refuses is not shown to the others.
func TestRefusedTokenIsNotTriedOn(t *testing.T) {
	t.Parallel()
	s := agenttest.New(t)
	other := s.Peer()
	parts := strings.Split(s.Token, ".")
	unknown := strings.Join([]string{parts[0], parts[1], strings.Repeat("a", len(parts[2])), parts[3]}, ".")
	_, err := enrol.Enrol(t.Context(), direct(t), []string{s.Addr(), other.Addr()}, unknown, "", enrol.Facts{})
	if err == nil || strings.Count(err.Error(), "the token is not known here") != 1 || strings.Contains(err.Error(), other.Addr()) {
		t.Errorf("error is %v", err)
	}
}

func TestAllCollectorsFail(t *testing.T) {
	t.Parallel()
	s := agenttest.New(t)
	s.Stop()
	reset := agenttest.Resetter(t, "127.0.0.1:0")
	_, err := enrol.Enrol(t.Context(), direct(t), []string{"gone.invalid:1", s.Addr(), reset.Addr()}, s.Token, "", enrol.Facts{})
	for _, want := range []string{"look up gone.invalid:1", "enrol at " + s.Addr() + ": dial tcp", "enrol at " + reset.Addr()} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want …%s…", err, want)
		}
	}
	if _, err := enrol.Enrol(t.Context(), direct(t), []string{"nonsense"}, s.Token, "", enrol.Facts{}); err == nil || !strings.Contains(err.Error(), "write host:port") {
		t.Errorf("error is %v", err)
	}
}

func TestStateDirectory(t *testing.T) {
	t.Parallel()
	if _, err := enrol.OpenStore(t.TempDir()); !errors.Is(err, enrol.ErrNotEnrolled) {
		t.Errorf("error is %v", err)
	}
	for name, text := range map[string]string{
		"empty": "", "no JSON": "{", "nothing in it": "{}", "no key": `{"agent_id":"a","key":"x"}`,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "identity.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := enrol.OpenStore(dir); err == nil || !strings.Contains(err.Error(), "enrol the agent anew") {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}

func TestCounter(t *testing.T) {
	t.Parallel()
	s := agenttest.New(t)
	dir := t.TempDir()
	enrolTo := func() *enrol.Identity {
		i, err := enrol.Enrol(t.Context(), direct(t), []string{s.Addr()}, s.Token, "", enrol.Facts{})
		if err != nil {
			t.Fatal(err)
		}
		if err := enrol.Save(dir, i); err != nil {
			t.Fatal(err)
		}
		return i
	}
	first := enrolTo()
	st, err := enrol.OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.SetCounter(first.AgentID, 17); err != nil {
		t.Fatal(err)
	}
	again, err := enrol.OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	if again.Counter() != 17 {
		t.Errorf("the counter is %d after a restart", again.Counter())
	}
	if changed, err := st.Reload(); changed || err != nil {
		t.Errorf("reload of the same: %v %v", changed, err)
	}
	enrolTo()
	if changed, err := st.Reload(); !changed || err != nil {
		t.Errorf("reload of another: %v %v", changed, err)
	}
	if st.Counter() != 0 {
		t.Errorf("the new identity has the counter %d of the old", st.Counter())
	}
	if err := st.SetCounter(first.AgentID, 18); err == nil {
		t.Error("a welcome for the old identity was stored for the new")
	}
}

func TestWriteFileLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	if err := os.Mkdir(target, 0o700); err != nil { // cannot be replaced by a file
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(target, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := enrol.WriteFile(target, []byte("x")); err == nil {
		t.Fatal("a directory was replaced")
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}
