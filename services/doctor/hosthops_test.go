package doctor

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	agentsv1 "github.com/esolutions/esmon/gen/go/esmon/agents/v1"
)

// TestHopsOfTheHost breaks one thing at a time on the host and on the way to a
// collector. states are those of probe, spool, stream, log, storage and query.
func TestHopsOfTheHost(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]hopCase{
		"all well": {
			func(*world) {}, "ok ok ok ok ok ok",
			hopStream, []string{"collector-1 (10.0.0.2:9)", "3s ago"}, 0, "web-1: all is well; the newest sample is 3s old.",
		},
		"all well, in one process": {
			func(w *world) { w.alone() }, "ok ok ok ok ok ok",
			hopStorage, []string{"partition 0", "10 records in memory"}, 0, "all is well",
		},
		"host down": {
			func(w *world) { w.silent(10 * time.Minute) }, "unknown unknown stuck ok ok ok",
			hopStream, []string{"not connected", "10m0s ago", "The host is down, the agent does not run, or it cannot reach a collector", "esmon-agent status"}, 10 * time.Minute, "web-1: stuck at the hop stream: ",
		},
		"stream ended just now": {
			func(w *world) { w.silent(12 * time.Second) }, "ok ok late ok ok ok",
			hopStream, []string{"Wait a moment"}, 12 * time.Second, "see the hop stream",
		},
		"no agent is connected": {
			func(w *world) { w.silent(10 * time.Minute); w.status.AgentsConnected = 0 }, "unknown unknown stuck ok ok ok",
			hopStream, []string{"None of the 3 agents is connected", "a firewall"}, 10 * time.Minute, "stuck at the hop stream",
		},
		"no collector answers": {
			func(w *world) { w.silent(time.Minute); w.away("collector-1", "collector-2") }, "unknown unknown stuck unknown ok ok",
			hopStream, []string{"No collector answers: 10.0.0.2:9 " + away, "10.0.0.3:9", "Start the collectors"}, time.Minute, "stuck at the hop stream (10.0.0.2:9, 10.0.0.3:9)",
		},
		"its collector is gone, and the registry does not know yet": {
			func(w *world) { w.away("collector-1") }, "ok ok late ok ok ok",
			hopStream, []string{"was open at collector-1, which does not answer"}, 3 * time.Second, "see the hop stream",
		},
		"revoked": {
			func(w *world) { w.silent(time.Hour); w.agents[0].State = agentsv1.AgentState_AGENT_STATE_REVOKED }, "unknown unknown stuck ok ok ok",
			hopStream, []string{"revoked", "esmon token create"}, time.Hour, "stuck at the hop stream",
		},
		"cloned": {
			func(w *world) { w.agents[0].State = agentsv1.AgentState_AGENT_STATE_CLONED }, "ok ok stuck ok ok ok",
			hopStream, []string{"used by two hosts", "Find the copy"}, 0, "stuck at the hop stream",
		},
		"certificate ended": {
			func(w *world) {
				w.silent(50 * time.Hour)
				w.agents[0].CertificateExpireTime = timestamppb.New(ago(time.Hour))
			}, "unknown unknown stuck ok ok ok",
			hopStream, []string{"certificate ended at 2026-11-26T11:00:00Z", "enrol it anew"}, time.Hour, "stuck at the hop stream",
		},
		"certificate ends soon": {
			func(w *world) { w.agents[0].CertificateExpireTime = timestamppb.New(noon.Add(7 * time.Hour)) }, "ok ok ok ok ok ok",
			hopStream, []string{"Its certificate ends in 7h0m unless it renews it."}, 0, "all is well",
		},
		"never connected": {
			func(w *world) {
				a := w.agents[0]
				a.State, a.LastAckTime, a.Collector, a.EnrolTime = agentsv1.AgentState_AGENT_STATE_ENROLLED, nil, "", timestamppb.New(ago(3*time.Minute))
				w.series = nil
			}, "unknown unknown stuck ok ok ok",
			hopStream, []string{"has never connected", "can the host reach the collectors' port"}, 3 * time.Minute, "stuck at the hop stream",
		},
		"enrolled just now": {
			func(w *world) {
				a := w.agents[0]
				a.State, a.LastAckTime, a.Collector, a.EnrolTime = agentsv1.AgentState_AGENT_STATE_ENROLLED, nil, "", timestamppb.New(ago(3*time.Second))
				w.series = nil
			}, "unknown unknown late ok ok ok",
			hopStream, []string{"it enrolled just now"}, 3 * time.Second, "see the hop stream",
		},
		"connected, nothing acknowledged": {
			func(w *world) {
				w.agents[0].LastAckTime = timestamppb.New(ago(20 * time.Minute))
				w.reports(20*time.Minute, 0)
			}, "unknown unknown stuck ok ok ok",
			hopStream, []string{"open, but nothing was acknowledged since 2026-11-26T11:40:00Z"}, 20 * time.Minute, "stuck at the hop stream",
		},
		"connected, acknowledged a while ago": {
			func(w *world) { w.agents[0].LastAckTime = timestamppb.New(ago(55 * time.Second)) }, "ok ok late ok ok ok",
			hopStream, []string{"nothing was acknowledged since"}, 55 * time.Second, "see the hop stream",
		},
		"frames refused": {
			func(w *world) {
				w.put(refused, "reason=timestamp_in_future", 3*time.Second, 4*time.Minute, 0, constant(12))
			}, "ok ok late ok ok ok",
			hopStream, []string{"12 frames or batches were refused (timestamp_in_future: 12)", "platform-metrics.md"}, 0, "see the hop stream",
		},
		"clock behind": {
			func(w *world) { w.agents[0].ClockSkewMs = -720_000; w.reports(3*time.Second, -12*time.Minute) }, "late ok ok ok ok ok",
			hopProbe, []string{"The host's clock is 12m0s behind the server's", "looks late on graphs", "by NTP"}, 0, "see the hop probe",
		},
		"clock ahead": {
			func(w *world) { w.agents[0].ClockSkewMs = 20_000; w.reports(3*time.Second, 20*time.Second) }, "late ok ok ok ok ok",
			hopProbe, []string{"The host's clock is 20s ahead of the server's", "only when that time has come"}, 0, "see the hop probe",
		},
		"a probe hangs": {
			func(w *world) {
				w.put(hanging, "probe=disk", 3*time.Second, 10*time.Minute, 0, constant(1))
				w.put(lastRun, "probe=disk", 3*time.Second, 10*time.Minute, 0, constant(unix(ago(8*time.Minute))))
			}, "late ok ok ok ok ok",
			hopProbe, []string{"1 of 3 probes have trouble: disk hangs, no readings for 7m57s"}, 8 * time.Minute, "see the hop probe",
		},
		"a probe fails": {
			func(w *world) {
				w.put(failures, "probe=cpu", 3*time.Second, 10*time.Minute, 0, func(at time.Time) float64 { return 2 + at.Sub(ago(10*time.Minute)).Seconds()/10 })
				w.put(lastRun, "probe=cpu", time.Hour, 0, 0, unix) // it never ended well
			}, "late ok ok ok ok ok",
			hopProbe, []string{"cpu fails, no readings for 9m50s"}, 10*time.Minute - 7*time.Second, "see the hop probe",
		},
		"a probe fails in part": {
			func(w *world) {
				w.put(failures, "probe=cpu", 3*time.Second, 10*time.Minute, 0, func(at time.Time) float64 { return 2 + max(0, at.Sub(ago(time.Minute)).Seconds()/10) })
			}, "late ok ok ok ok ok",
			hopProbe, []string{"cpu fails in part, 6 of its last runs", "`esmon-agent status`"}, 0, "see the hop probe",
		},
		"no probe brings readings": {
			func(w *world) {
				for _, p := range []string{"agent", "cpu", "disk"} {
					w.put(lastRun, "probe="+p, 3*time.Second, 10*time.Minute, 0, constant(unix(ago(9*time.Minute))))
				}
			}, "stuck ok ok ok ok ok",
			hopProbe, []string{"3 of 3 probes have trouble"}, 9 * time.Minute, "stuck at the hop probe (web-1)",
		},
		"a probe was switched off": {
			func(w *world) {
				w.put(interval, "probe=old", 5*time.Minute, 10*time.Minute, 0, constant(10))
				w.put(lastRun, "probe=old", 5*time.Minute, 10*time.Minute, 0, unix)
			}, "ok ok ok ok ok ok",
			hopProbe, []string{"All 3 probes bring readings"}, 0, "all is well",
		},
		"a backlog": {
			func(w *world) {
				w.put(spoolAge, "", 3*time.Second, 10*time.Minute, 0, constant(7200))
				w.put(spoolSamples, "", 3*time.Second, 10*time.Minute, 0, constant(5000))
			}, "ok late ok ok ok ok",
			hopSpool, []string{"5000 samples", "the oldest for 2h0m", "what is measured now passes at once"}, 2*time.Hour + 3*time.Second, "see the hop spool",
		},
		"samples fall off the spool": {
			func(w *world) {
				w.put(lost, "reason=spool_bytes", 3*time.Second, 10*time.Minute, 0, func(at time.Time) float64 { return 100 + max(0, at.Sub(ago(33*time.Second)).Seconds()) })
			}, "ok late ok ok ok ok",
			hopSpool, []string{"30 samples fell off the spool and are lost (spool_bytes: 30)", "spool.max_bytes"}, 0, "see the hop spool",
		},
		"samples of before fell off": {
			func(*world) {}, "ok ok ok ok ok ok",
			hopSpool, []string{"Nothing waits longer than a moment."}, 0, "all is well",
		},
		"silent for more than a day": {
			func(w *world) { w.silent(72 * time.Hour); w.series = nil }, "unknown unknown stuck ok ok ok",
			hopSpool, []string{"said nothing of itself for a day or longer", "esmon-agent status"}, 0, "stuck at the hop stream",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}
