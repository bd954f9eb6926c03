package doctor

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	agentsv1 "github.com/esolutions/esmon/gen/go/esmon/agents/v1"
	queryv1 "github.com/esolutions/esmon/gen/go/esmon/query/v1"
	"github.com/esolutions/esmon/services/fault"
)

const (
	maxRef = 255 // bytes of an id or a host name
	// listPage and mostPages bound how many agents are looked through.
	listPage  = 1000
	mostPages = 100
	// selfMetric is a series that every agent reports.
	selfMetric = "esmon_agent_start_timestamp_seconds"
)

// patient is the agent that is looked at.
type patient struct {
	agent            *agentsv1.Agent // nil if the registry does not answer
	err              error           // why it does not
	hostName, hostID string          // of its series; hostID is empty if not known
	notes            []string
}

func (p *patient) id() string { return p.agent.GetId() }

func (p *patient) title() string {
	if p.hostName == "" {
		return p.id()
	}
	return p.hostName
}

func patientOf(a *agentsv1.Agent, notes ...string) patient {
	return patient{agent: a, hostName: a.GetHostName(), hostID: a.GetHostId(), notes: notes}
}

func checkRef(ref string) error {
	if ref == "" || len(ref) > maxRef || !utf8.ValidString(ref) {
		return fault.New(fault.Invalid, "agent_invalid", "agent: give its id or the name of its host, 1 to %d bytes of text", maxRef)
	}
	return nil
}

// find returns the agent that ref names. If the registry does not answer, ref is
// taken for a host's name: series say more then.
func (d *Doctor) find(ctx context.Context, ref string) (patient, error) {
	res, err := d.get(ctx, ref)
	switch {
	case err == nil:
		return patientOf(res), nil
	case fault.KindOf(err) != fault.NotFound:
		return patient{err: err, hostName: ref}, nil
	}
	matches, err := d.list(ctx, ref)
	if err != nil {
		return patient{err: err, hostName: ref}, nil //nolint:nilerr // the patient has it
	}
	found, notes, err := choose(ref, matches)
	switch {
	case err != nil:
		return patient{}, err
	case found == nil:
		return d.findRenamed(ctx, ref, matches)
	}
	return patientOf(found, notes...), nil
}

func (d *Doctor) get(ctx context.Context, id string) (*agentsv1.Agent, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	res, err := d.deps.Agents.GetAgent(ctx, &agentsv1.GetAgentRequest{Id: id})
	return res.GetAgent(), d.explain(ctx, "the registry of agents", err)
}

// list returns the agents whose host's name contains the text; all for none.
func (d *Doctor) list(ctx context.Context, contains string) (all []*agentsv1.Agent, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req := &agentsv1.ListAgentsRequest{PageSize: listPage, HostNameContains: contains}
	for range mostPages {
		page, err := d.deps.Agents.ListAgents(ctx, req)
		if err != nil {
			return nil, d.explain(ctx, "the registry of agents", err)
		}
		all = append(all, page.GetAgents()...)
		if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
			break
		}
	}
	return all, nil
}

// choose returns the agent on the host with the name: the only one, or the only
// one that is not revoked. It returns none if there is none.
func choose(name string, matches []*agentsv1.Agent) (*agentsv1.Agent, []string, error) {
	same := matching(matches, func(a *agentsv1.Agent) bool { return strings.EqualFold(a.GetHostName(), name) })
	if exact := matching(same, func(a *agentsv1.Agent) bool { return a.GetHostName() == name }); len(exact) > 0 {
		same = exact
	}
	live := matching(same, func(a *agentsv1.Agent) bool { return !revoked(a) })
	switch {
	case len(same) == 0:
		return nil, nil, nil
	case len(same) == 1:
		return same[0], nil, nil
	case len(live) == 1:
		return live[0], []string{fmt.Sprintf("There are also %d revoked agents with this host name.", len(same)-1)}, nil
	}
	return nil, nil, fault.New(fault.Conflict, "agent_ambiguous", "%d agents have the host name %s: ask for one by its id: %s", len(same), name, few(described(same), 10))
}

func matching(list []*agentsv1.Agent, f func(*agentsv1.Agent) bool) (out []*agentsv1.Agent) {
	for _, a := range list {
		if f(a) {
			out = append(out, a)
		}
	}
	return out
}

func revoked(a *agentsv1.Agent) bool {
	return a.GetState() == agentsv1.AgentState_AGENT_STATE_REVOKED
}

func described(list []*agentsv1.Agent) []string {
	var all []string
	for _, a := range list {
		ack := "never acknowledged"
		if t := a.GetLastAckTime(); t != nil {
			ack = "last acknowledged " + stamp(t.AsTime())
		}
		all = append(all, fmt.Sprintf("%s (%s, %s)", a.GetId(), stateName(a), ack))
	}
	return all
}

func stateName(a *agentsv1.Agent) string {
	return strings.ToLower(strings.TrimPrefix(a.GetState().String(), "AGENT_STATE_"))
}

// findRenamed looks for the agent of a host that had the name once: its series of
// that time carry the host's id.
func (d *Doctor) findRenamed(ctx context.Context, name string, similar []*agentsv1.Agent) (patient, error) {
	unknown := fault.New(fault.NotFound, "agent_unknown", "no agent has the id or the host name %q: `esmon agents` lists them", name)
	if len(similar) > 0 {
		var hosts []string
		for _, a := range similar {
			hosts = append(hosts, a.GetHostName())
		}
		unknown.Message += "; with such a name: " + few(hosts, 5)
	}
	ids, err := d.hostLabels(ctx, "host_name", name, "host_id")
	if err != nil || len(ids) == 0 {
		return patient{}, unknown
	}
	all, err := d.list(ctx, "")
	if err != nil {
		return patient{}, unknown
	}
	now := matching(all, func(a *agentsv1.Agent) bool { return slices.Contains(ids, a.GetHostId()) && !revoked(a) })
	switch len(now) {
	case 0:
		return patient{}, unknown
	case 1:
		return patientOf(now[0]), nil
	}
	return patient{}, fault.New(fault.Conflict, "agent_ambiguous", "the host %s has another name now, and %d agents have its host id: ask for one by its id: %s", name, len(now), few(described(now), 10))
}

// withHistory notes the names that the host had before.
func (d *Doctor) withHistory(ctx context.Context, p patient) patient {
	if p.hostID == "" {
		return p
	}
	names, err := d.hostLabels(ctx, "host_id", p.hostID, "host_name")
	if err != nil {
		return p // it would have been good to know, no more
	}
	const most = 3
	names = slices.DeleteFunc(names, func(n string) bool { return n == p.hostName })
	names = slices.DeleteFunc(names[:min(len(names), most)], func(n string) bool { return d.taken(ctx, n) })
	if len(names) > 0 {
		p.notes = append(p.notes, renamedNote(p.hostName, names))
	}
	return p
}

// taken tells whether another agent has the host name: several machines may have
// been made from one image, with one host id.
func (d *Doctor) taken(ctx context.Context, name string) bool {
	list, err := d.list(ctx, name)
	return err != nil || slices.ContainsFunc(list, func(a *agentsv1.Agent) bool { return a.GetHostName() == name })
}

func renamedNote(now string, before []string) string {
	return fmt.Sprintf("The host is called %s now; older series have the label host_name=%s.", now, quoted(before))
}

func quoted(texts []string) string {
	var all []string
	for _, t := range texts {
		all = append(all, strconv.Quote(t))
	}
	return strings.Join(all, " or ")
}

// hostLabels returns the values of a label of the agents' own series whose other
// label has the value.
func (d *Doctor) hostLabels(ctx context.Context, label, value, wanted string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	res, err := d.deps.Queries.ListSeries(ctx, &queryv1.ListSeriesRequest{Match: []string{selfMetric + "{" + label + "=" + strconv.Quote(value) + "}"}})
	if err != nil {
		return nil, d.explain(ctx, "queries", err)
	}
	var out []string
	for _, s := range res.GetSeries() {
		if v := s.GetLabels()[wanted]; v != "" && !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	slices.Sort(out)
	return out, nil
}
