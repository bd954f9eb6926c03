package doctor

import (
	"errors"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
	"github.com/esolutions/esmon/services/fault"
)

// TestHopsOfThePlatform breaks one thing at a time in the platform. states are
// those of probe, spool, stream, log, storage and query.
func TestHopsOfThePlatform(t *testing.T) {
	t.Parallel()
	unreachable := fault.New(fault.Unavailable, "storage_unreachable", "no storage node answers")
	for name, c := range map[string]hopCase{
		"broker down": {
			func(w *world) {
				w.trouble(PartLog, "no connection to a broker", "collector-1", "collector-2", "storage-1", "storage-2")
				w.agents[0].LastAckTime = timestamppb.New(ago(10 * time.Minute))
				w.reports(10*time.Minute, 0)
				w.status.Partitions = nil
			}, "unknown unknown late stuck unknown ok",
			hopLog, []string{"no connection to a broker", "RabbitMQ", "partition 0 from collector-1 (10.0.0.2:9)"}, 5 * time.Minute, "stuck at the hop log",
		},
		"broker down, and the stream ended for it": {
			func(w *world) {
				w.silent(6 * time.Minute)
				w.trouble(PartLog, "no connection to a broker", "collector-1", "collector-2", "storage-1", "storage-2")
				w.status.Partitions = nil
			}, "unknown unknown late stuck unknown ok",
			hopStream, []string{"collectors end streams while the ingest log takes nothing"}, 6 * time.Minute, "stuck at the hop log",
		},
		"broker down, and the agent away for longer": {
			func(w *world) {
				w.silent(30 * time.Minute)
				w.trouble(PartLog, "no connection to a broker", "collector-1", "collector-2")
			}, "unknown unknown stuck stuck ok ok",
			hopStream, []string{"The host is down"}, 30 * time.Minute, "stuck at the hop stream: ",
		},
		"one of two collectors cut off from the broker": {
			func(w *world) { w.silent(time.Minute); w.trouble(PartLog, "no connection", "collector-2") }, "unknown unknown stuck late ok ok",
			hopLog, []string{"1 of 2 collectors take nothing", "collector-2 (10.0.0.3:9)"}, 5 * time.Minute, "stuck at the hop stream",
		},
		"another collector cut off from the broker": {
			func(w *world) { w.trouble(PartLog, "no connection", "collector-2") }, "ok ok ok ok ok ok",
			hopLog, []string{"Records are taken. It holds 100 records."}, 0, "all is well",
		},
		"log full": {
			func(w *world) {
				w.trouble(PartCollector, "the ingest log takes nothing more", "collector-1", "collector-2")
			}, "ok ok ok stuck ok ok",
			hopLog, []string{"takes nothing more", "Look at the hop storage first"}, 5 * time.Minute, "stuck at the hop log",
		},
		"log full, in one process": {
			func(w *world) {
				w.alone()
				w.status.Troubles = []*statusv1.Trouble{{Part: PartCollector, Message: "the ingest log takes nothing more"}}
			}, "ok ok ok stuck ok ok",
			hopLog, []string{"takes nothing more", "partition 0"}, 0, "stuck at the hop log (partition 0): Nothing is taken",
		},
		"storage down": {
			func(w *world) { w.away("storage-1", "storage-2"); w.status.Partitions = nil; w.queryErr = unreachable }, "unknown unknown ok ok stuck stuck",
			hopStorage, []string{"No storage node answers: 10.0.0.4:9 " + away, "Nothing is lost while the ingest log has room"}, 0, "stuck at the hop storage (10.0.0.4:9, 10.0.0.5:9)",
		},
		"one storage node down": {
			func(w *world) { w.away("storage-2") }, "ok ok ok ok late ok",
			hopStorage, []string{"partition 0 on storage-1 (10.0.0.4:9)", "do not answer: 10.0.0.5:9"}, 0, "see the hop storage",
		},
		"storage catches up": {
			func(w *world) { w.lag(9*time.Minute, 9); w.reports(9*time.Minute, 0) }, "unknown unknown ok ok late late",
			hopStorage, []string{"52 records wait to be read, the oldest for 9m0s; 9 records were read while it was looked", "on storage-1"}, 9 * time.Minute, "see the hop storage",
		},
		"storage stands still": {
			func(w *world) { w.lag(9*time.Minute, 0); w.reports(9*time.Minute, 0) }, "unknown unknown ok ok stuck late",
			hopStorage, []string{"none was read while it was looked"}, 9 * time.Minute, "stuck at the hop storage",
		},
		"database down": {
			func(w *world) {
				w.trouble(PartStorage, "partition 0 cannot be stored", "storage-1", "storage-2")
				w.agentsErr = fault.New(fault.Unavailable, "db", "the database does not answer")
			}, "ok ok unknown ok stuck ok",
			hopStorage, []string{"partition 0 cannot be stored", "Look at the database", "Queries return the newest data from memory meanwhile"}, 5 * time.Minute, "stuck at the hop storage",
		},
		"the node that stores has trouble": {
			func(w *world) { w.trouble(PartStorage, "partition 0 cannot be stored", "storage-1") }, "ok ok ok ok stuck ok",
			hopStorage, []string{"No node stores partition 0: partition 0 cannot be stored.", "storage-1 (10.0.0.4:9)"}, 5 * time.Minute, "stuck at the hop storage",
		},
		"another storage node has trouble": {
			func(w *world) { w.trouble(PartStorage, "the database does not answer", "storage-2") }, "ok ok ok ok late ok",
			hopStorage, []string{"Data is stored, but 1 of 2 storage nodes have trouble"}, 5 * time.Minute, "see the hop storage",
		},
		"storage alone is cut off from the broker": {
			func(w *world) { w.trouble(PartLog, "no connection to a broker", "storage-1", "storage-2") }, "ok ok ok ok stuck ok",
			hopStorage, []string{"no connection to a broker", "the network from the storage nodes to it"}, 5 * time.Minute, "stuck at the hop storage",
		},
		"no node stores": {
			func(w *world) { w.status.Partitions[0].StoredBy = "" }, "ok ok ok ok late ok",
			hopStorage, []string{"no node stores the partition"}, 0, "see the hop storage",
		},
		"queries not answered": {
			func(w *world) { w.queryErr = unreachable }, "unknown unknown ok ok ok stuck",
			hopQuery, []string{"not answered: no storage node answers", "storage-1 (10.0.0.4:9), storage-2 (10.0.0.5:9)"}, 0, "stuck at the hop query",
		},
		"queries fail inside": {
			func(w *world) { w.queryErr = errors.New("secret detail") }, "unknown unknown ok ok ok stuck",
			hopQuery, []string{"queries failed with an internal error"}, 0, "stuck at the hop query",
		},
		"acknowledged, and no query returns it": {
			func(w *world) { w.reports(9*time.Minute, 0) }, "unknown unknown ok ok ok stuck",
			hopQuery, []string{"the newest sample is 9m0s old", "acknowledged 8m57s after that", "esmon_tsdb_rows_rejected_total"}, 9 * time.Minute, "stuck at the hop query",
		},
		"acknowledged lately, and no query returns it yet": {
			func(w *world) { w.reports(2*time.Minute, 0) }, "unknown unknown ok ok ok late",
			hopQuery, []string{"acknowledged 1m57s after that"}, 2 * time.Minute, "see the hop query",
		},
		"the registry does not answer": {
			func(w *world) {
				w.agentsErr = fault.New(fault.Unavailable, "part_unreachable", "control cannot be reached")
			}, "ok ok unknown ok ok ok",
			hopStream, []string{"control cannot be reached"}, 0, "nothing is known to be stuck; not to be seen from here: stream.",
		},
		"neither the registry nor any collector answers": {
			func(w *world) {
				w.agentsErr = fault.New(fault.Unavailable, "part_unreachable", "control cannot be reached")
				w.away("collector-1", "collector-2")
			}, "ok ok stuck unknown ok ok",
			hopStream, []string{"control cannot be reached", "No collector answers"}, 0, "stuck at the hop stream",
		},
		"the status is not told": {
			func(w *world) { w.statusErr = fault.New(fault.Unavailable, "x", "no status") }, "ok ok ok unknown unknown ok",
			hopStorage, []string{"no status"}, 0, "not to be seen from here: log, storage.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}
