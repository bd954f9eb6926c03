package sqlite

import (
	"log/slog"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/esolutions/esmon/services/control"
)

// A database that was written before several processes could share it, with rows
// in it: every agent is there, connects as before and is in the feed then.
func TestControlUpgrade(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "old.db")
	writeOldControl(t, path)
	s, ctx := openAt(t, path).Control(), t.Context()
	old, err := s.Agent(ctx, "old")
	if err != nil {
		t.Fatal(err)
	}
	if old.Session != "" || old.Node != "" || old.Counter != 7 || old.Confirmed != 6 || old.Tags["site"] != "north" || old.LastAck.UnixMilli() != 1_790_000_000_600 {
		t.Errorf("got %+v", old)
	}
	feed, err := s.AgentChanges(ctx, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	connect := control.Connect{ID: "old", Counter: 8, Time: time.UnixMilli(1_790_000_001_000), Session: "s1", After: old.Session, Node: "c1/x", HostName: "web-1"}
	refused, err := s.SaveConnects(ctx, []control.Connect{connect})
	if err != nil || len(refused) > 0 {
		t.Fatalf("refused %q, %v", refused, err)
	}
	page, err := s.AgentChanges(ctx, feed.Next, 10)
	if err != nil || len(page.Agents) != 1 {
		t.Fatalf("%d agents in the feed, want the one that connected; %v", len(page.Agents), err)
	}
	if a := page.Agents[0]; a.ID != "old" || a.Session != "s1" || a.Node != "c1/x" || a.Counter != 8 || a.Confirmed != 6 {
		t.Errorf("got %+v", a)
	}
	all, err := s.ScanAgents(ctx, "", 10)
	if err != nil || len(all) != 2 {
		t.Errorf("%d agents, want 2; %v", len(all), err)
	}
}

// writeOldControl makes a database with the control domain's first migration alone.
func writeOldControl(t *testing.T, path string) {
	t.Helper()
	first, err := migrations.ReadFile("migrations/00001_control.sql")
	if err != nil {
		t.Fatal(err)
	}
	writer, err := openPool(path, 1, writerPragmas())
	if err != nil {
		t.Fatal(err)
	}
	source := fstest.MapFS{"migrations/00001_control.sql": &fstest.MapFile{Data: first}}
	if err := migrateFrom(t.Context(), writer, path, slog.New(slog.DiscardHandler), source); err != nil {
		t.Fatal(err)
	}
	_, err = writer.ExecContext(t.Context(), `INSERT INTO agents (id, host_name, host_id, os_type, os_description, arch, agent_version, tags, targets,
			token_id, key_hash, enrolled_ms, certificate_end_ms, connect_counter, confirmed_counter, connected_ms, last_ack_ms, skew_ms) VALUES
		('old', 'web-1', 'm1', 'linux', 'Debian 12', 'amd64', '1.0', '{"site":"north"}', '["a"]', 't1', x'01', 1790000000000, 1799000000000, 7, 6, 1790000000500, 1790000000600, 5),
		('fresh', 'web-2', '', 'linux', '', 'amd64', '', '{}', '[]', 't1', x'02', 1790000000000, 1799000000000, 0, 0, 0, 0, 0)`)
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
}
