package notify

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/metric"
)

// documentVersion is that of the documents that are written. Others cannot be read.
const documentVersion = 1

// groupDocument is what is kept of a group. Alerts with the same state share it, so
// that ten thousand of them cost little more than their keys.
type groupDocument struct {
	Version int               `json:"v"`
	Labels  map[string]string `json:"labels,omitempty"`
	Seed    string            `json:"seed,omitempty"`
	Threads []threadDocument  `json:"threads,omitempty"`
	Alerts  []alertsDocument  `json:"alerts,omitempty"`
	Fires   []firesDocument   `json:"fires,omitempty"`
}

type paceDocument struct {
	Last  int64 `json:"last,omitempty"`
	News  int64 `json:"news,omitempty"`
	Level int   `json:"level,omitempty"`
}

type threadDocument struct {
	Receiver string `json:"receiver"`
	Number   int64  `json:"n,omitempty"`
	paceDocument
}

type alertsDocument struct {
	Since      int64          `json:"since,omitempty"`
	SinceFired int64          `json:"since_fired,omitempty"`
	Told       []toldDocument `json:"told,omitempty"`
	Keys       []alert.Key    `json:"keys"`
}

type toldDocument struct {
	Thread int   `json:"thread,omitempty"`
	Fired  int64 `json:"fired"`
	Step   int64 `json:"step,omitempty"`
	Digest bool  `json:"digest,omitempty"`
	Flap   bool  `json:"flap,omitempty"`
}

type firesDocument struct {
	Key      alert.Key `json:"key"`
	Fires    []int64   `json:"fires"`
	Flapping bool      `json:"flapping,omitempty"`
}

// receiverDocument is what is kept of a receiver.
type receiverDocument struct {
	Version int     `json:"v"`
	Seed    string  `json:"seed,omitempty"`
	Number  int64   `json:"n,omitempty"`
	Sent    []int64 `json:"sent,omitempty"`
	Storm   bool    `json:"storm,omitempty"`
	paceDocument
}

func (c pace) document() paceDocument { return paceDocument{c.last, c.news, c.level} }

func (d paceDocument) pace() pace {
	return pace{d.Last, d.News, max(0, min(d.Level, len(growth)-1))}
}

// empty tells whether there is nothing to keep of the group.
func (g *group) empty() bool {
	for _, t := range g.threads {
		if t.number > 0 {
			return false
		}
	}
	for _, m := range g.members {
		if m.kept() {
			return false
		}
	}
	return true
}

func (m *member) kept() bool {
	return m.anyTold() || m.since != 0 || len(m.alert.fires) > 0 || m.alert.flapping
}

// document returns what is to be kept of the group. It is the same for the same state.
func (g *group) document() ([]byte, error) {
	d := groupDocument{Version: documentVersion, Seed: g.seed, Labels: labelMap(g.labels)}
	order := make([]int, 0, len(g.threads))
	for i, t := range g.threads {
		if t.number > 0 || g.toldBy(i) {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Compare(g.threads[a].receiver.name, g.threads[b].receiver.name)
	})
	for _, i := range order {
		t := g.threads[i]
		d.Threads = append(d.Threads, threadDocument{t.receiver.name, t.number, t.document()})
	}
	d.Alerts = g.alertsDocuments(order)
	for _, m := range g.members {
		if t := m.alert; len(t.fires) > 0 || t.flapping {
			d.Fires = append(d.Fires, firesDocument{t.alert.Key, t.fires, t.flapping})
		}
	}
	slices.SortFunc(d.Fires, func(a, b firesDocument) int { return cmp.Compare(a.Key, b.Key) })
	doc, err := json.Marshal(&d)
	if err != nil {
		return nil, fmt.Errorf("write the document of group %s: %w", g.key, err)
	}
	return doc, nil
}

func (g *group) toldBy(thread int) bool {
	return slices.ContainsFunc(g.members, func(m *member) bool { return m.toldTo(thread).fired != 0 })
}

// alertsDocuments puts members with the same state together.
func (g *group) alertsDocuments(order []int) []alertsDocument {
	same := map[string]*alertsDocument{}
	var signature strings.Builder
	for _, m := range g.members {
		if !m.anyTold() && m.since == 0 {
			continue
		}
		d := alertsDocument{Since: m.since, SinceFired: m.sinceFired}
		signature.Reset()
		fmt.Fprint(&signature, m.since, m.sinceFired)
		for i, thread := range order {
			if t := m.toldTo(thread); t.fired != 0 {
				d.Told = append(d.Told, toldDocument{i, t.fired, t.step, t.digest, t.flap})
				fmt.Fprint(&signature, ";", i, t.fired, t.step, t.digest, t.flap)
			}
		}
		shared := same[signature.String()]
		if shared == nil {
			shared = &d
			same[signature.String()] = shared
		}
		shared.Keys = append(shared.Keys, m.alert.alert.Key)
	}
	out := make([]alertsDocument, 0, len(same))
	for _, d := range same {
		slices.Sort(d.Keys)
		out = append(out, *d)
	}
	slices.SortFunc(out, func(a, b alertsDocument) int { return cmp.Compare(a.Keys[0], b.Keys[0]) })
	return out
}

func (r *receiver) document() ([]byte, error) {
	doc, err := json.Marshal(&receiverDocument{documentVersion, r.seed, r.number, r.sent, r.storm, r.pace.document()})
	if err != nil {
		return nil, fmt.Errorf("write the document of receiver %s: %w", r.name, err)
	}
	return doc, nil
}

// documents returns all documents as they would be now, and the keys of those that
// were not given to be stored yet.
func (p *Planner) documents() (all []alert.Group, changed map[string]bool) {
	changed = map[string]bool{}
	add := func(key string, isChanged bool, doc []byte, err error) {
		if err == nil { // what cannot be written cannot be kept, either
			all = append(all, alert.Group{Key: key, Doc: doc})
		}
		if isChanged {
			changed[key] = true
		}
	}
	for key, g := range p.groups {
		if g.stored || !g.empty() {
			doc, err := g.document()
			add(key, g.changed, doc, err)
		}
	}
	for name, r := range p.receivers {
		doc, err := r.document()
		add(receiverKey(name), r.changed, doc, err)
	}
	return all, changed
}

// restoreGroup reads a document of a group or of a receiver.
func (p *Planner) restoreGroup(stored alert.Group) error {
	if name, ok := strings.CutPrefix(stored.Key, receiverKey("")); ok {
		return p.restoreReceiver(name, stored.Doc)
	}
	var d groupDocument
	if err := json.Unmarshal(stored.Doc, &d); err != nil {
		return fmt.Errorf("read the document of group %s: %w", stored.Key, err)
	}
	if d.Version != documentVersion {
		return fmt.Errorf("the document of group %s has version %d; this program reads version %d", stored.Key, d.Version, documentVersion)
	}
	g := p.group(stored.Key)
	g.stored, g.seed = true, d.Seed
	for _, name := range sortedKeys(d.Labels) {
		g.labels = append(g.labels, metric.Label{Name: name, Value: d.Labels[name]})
	}
	for _, td := range d.Threads {
		t := g.threads[g.thread(p.receiver(td.Receiver))]
		t.number, t.pace = td.Number, td.pace()
	}
	for _, ad := range d.Alerts {
		for _, key := range ad.Keys {
			p.restoreMember(g, key, &ad, len(d.Threads))
		}
	}
	for _, fd := range d.Fires {
		t := g.member(p.placeholder(fd.Key)).alert
		t.fires, t.flapping = fd.Fires, fd.Flapping
		p.aging[t] = struct{}{}
	}
	g.changed = false
	return nil
}

func (p *Planner) restoreMember(g *group, key alert.Key, d *alertsDocument, threads int) {
	m := g.member(p.placeholder(key))
	m.since, m.sinceFired = d.Since, d.SinceFired
	for _, t := range d.Told {
		if t.Thread >= 0 && t.Thread < min(threads, len(g.threads)) {
			m.setTold(t.Thread, told{t.Fired, t.Step, t.Digest, t.Flap})
		}
	}
}

// placeholder returns an alert of which only the key is known until it is updated.
func (p *Planner) placeholder(key alert.Key) *tracked {
	t := p.alerts[key]
	if t == nil {
		t = &tracked{alert: alert.Alert{Key: key}}
		p.alerts[key] = t
	}
	return t
}

func (p *Planner) restoreReceiver(name string, doc []byte) error {
	var d receiverDocument
	if err := json.Unmarshal(doc, &d); err != nil {
		return fmt.Errorf("read the document of receiver %s: %w", name, err)
	}
	if d.Version != documentVersion {
		return fmt.Errorf("the document of receiver %s has version %d; this program reads version %d", name, d.Version, documentVersion)
	}
	r := p.receiver(name)
	r.seed, r.number, r.sent, r.storm, r.pace = d.Seed, d.Number, d.Sent, d.Storm, d.pace()
	return nil
}

func labelMap(labels metric.Labels) map[string]string {
	if len(labels) == 0 {
		return nil
	}
	m := make(map[string]string, len(labels))
	for _, l := range labels {
		m[l.Name] = l.Value
	}
	return m
}
