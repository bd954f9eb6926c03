package cli

import (
	"encoding/json"
	"strings"
	"testing"
)

// diagnosed is what a gateway answers, as JSON.
const (
	hopsWell = `{"name":"probe","state":"HOP_STATE_OK","where":"web-1","message":"All 13 probes bring readings."},
		{"name":"spool","state":"HOP_STATE_OK","where":"web-1","message":"Nothing waits longer than a moment."},
		{"name":"stream","state":"HOP_STATE_OK","where":"collector-1 (10.0.0.2:9443)","message":"The stream is open; last acknowledged 3s ago."},
		{"name":"log","state":"HOP_STATE_OK","where":"partition 0","message":"Records are taken. It holds 100 records."}`
	agentWell  = `{"agent":"oll26dvw27shtkmj2gtscpwlh4","hostName":"web-1","summary":"web-1: all is well; the newest sample is 3s old.","hops":[` + hopsWell + `]}`
	agentStuck = `{"agent":"oll26dvw27shtkmj2gtscpwlh4","hostName":"web-1","summary":"web-1: stuck at the hop storage (10.0.0.4:9443): No storage node answers.",
		"notes":["The host is called web-1 now; older series have the label host_name=\"old\"."],
		"hops":[` + hopsWell + `,
		{"name":"storage","state":"HOP_STATE_STUCK","where":"10.0.0.4:9443","since":"2026-11-26T12:00:00Z","lagMs":"61500","message":"No storage node answers.","advice":"Start the storage nodes."},
		{"name":"query","state":"HOP_STATE_UNKNOWN","message":"A name with \u001b[31m steering.","advice":"See the hop storage."}]}`
	platformLate = `{"summary":"the platform: data arrives, but not as it should; see the hop stream: Of 3 agents, 1 had nothing acknowledged for a minute or longer; 1 of these without a connection.",
		"hops":[{"name":"stream","state":"HOP_STATE_LATE","lagMs":"0","message":"Of 3 agents, 1 had nothing acknowledged for a minute or longer; 1 of these without a connection.","advice":"Ask for each."},
		{"name":"log","state":"HOP_STATE_OK","message":"Records are taken."}],
		"nodes":[{"targets":["collector"],"address":"10.0.0.2:9443","reasons":["does not answer: connection refused"]},
		{"name":"storage-1","targets":["storage"],"address":"10.0.0.4:9443","ready":true,"troubles":[{"part":"storage","message":"slow"}]}],
		"agents":[{"agent":"id-1","hostName":"web-1","state":"disconnected","lastAckTime":"2026-11-26T11:00:00Z","lagMs":"3600000"},{"agent":"id-2","hostName":"web-2","state":"enrolled","lagMs":"950"}],
		"agentsLate":"1","agentsSeen":"3"}`
	platformStuck = `{"summary":"the platform: stuck at the hop log: Nothing is taken.","hops":[{"name":"stream","state":"HOP_STATE_STUCK","message":"Silent."},{"name":"log","state":"HOP_STATE_STUCK","message":"Nothing is taken."}]}`
)

func TestDoctorCommand(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer string
		args   []string
		code   int
		errout string
	}{
		"doctor_agent_well":     {agentWell, []string{"web-1"}, exitOK, ""},
		"doctor_agent_stuck":    {agentStuck, []string{"web-1"}, exitFailed, "esmon: stuck: storage\n"},
		"doctor_agent_csv":      {agentStuck, []string{"web-1", "-o", "csv"}, exitFailed, "esmon: stuck: storage\n"},
		"doctor_platform_late":  {platformLate, nil, exitOK, ""},
		"doctor_platform_stuck": {platformStuck, nil, exitFailed, "esmon: stuck: stream, log\n"},
		"doctor_platform_json":  {platformStuck, []string{"-o", "json"}, exitFailed, "esmon: stuck: stream, log\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := esmon(t, append([]string{"doctor", "--server", answering(t, 200, c.answer)}, c.args...)...)
			if r.code != c.code || r.errout != c.errout {
				t.Errorf("ended with %d, %q; want %d, %q", r.code, r.errout, c.code, c.errout)
			}
			golden(t, name+".golden", r.out)
		})
	}
}

// TestDoctorAsksAServer checks the way to a real one: over its socket and over REST.
func TestDoctorAsksAServer(t *testing.T) {
	t.Parallel()
	for _, server := range []string{"", shared.http} {
		r := esmon(t, "doctor", "--server", server, "-o", "json")
		var d struct {
			Summary string
			Hops    []struct{ Name, State string }
		}
		if err := json.Unmarshal([]byte(r.out), &d); err != nil || len(d.Hops) != 4 || !strings.HasPrefix(d.Summary, "the platform: ") {
			t.Fatalf("%v: %+v", err, r)
		}
		for _, h := range d.Hops[1:] { // of agents other tests make some
			if h.State != "HOP_STATE_OK" {
				t.Errorf("hop %s is %s: %s", h.Name, h.State, r.out)
			}
		}
		r = esmon(t, "doctor", "nobody", "--server", server)
		if r.code != exitFailed || r.errout != "esmon: no agent has the id or the host name \"nobody\": `esmon agents` lists them\n" {
			t.Errorf("%+v", r)
		}
		r = esmon(t, "doctor", "--server", server, "--agents", "-1")
		if r.code != exitFailed || !strings.Contains(r.errout, "-1 is out of range") {
			t.Errorf("%+v", r)
		}
	}
	if r := esmon(t, "doctor", "a", "b"); r.code != exitUsage || !strings.Contains(r.errout, "esmon doctor [AGENT]") {
		t.Errorf("%+v", r)
	}
	if r := esmon(t, "doctor", "web-1", "--server", answering(t, 409, `{"code":6,"reason":"agent_ambiguous","message":"2 agents have the host name web-1: ask for one by its id: a, b"}`)); r.code != exitFailed || r.errout != "esmon: 2 agents have the host name web-1: ask for one by its id: a, b\n" {
		t.Errorf("%+v", r)
	}
}
