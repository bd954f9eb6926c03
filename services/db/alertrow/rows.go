package alertrow

import (
	"encoding/json"
	"fmt"

	"github.com/esolutions/esmon/services/alert"
)

// Doc is a document by its key.
type Doc struct{ Key, Doc string }

// Episode is a row of alert_episodes.
type Episode struct {
	Key             string
	Fired, Resolved int64
	RuleID, Doc     string
}

// Event is a row of alert_events.
type Event struct {
	Key       string
	Time      int64
	Kind, Doc string
}

// Notification is a row of alert_notifications as it is committed. Keys, each once, are
// rows of alert_notification_keys.
type Notification struct {
	ID, Receiver, Order, Doc string
	Created, Next            int64
	Payload                  []byte
	Keys                     []string
}

// Rows are what a commit changes, each row once.
type Rows struct {
	Progress   []alert.Progress
	Gone       []string
	Late       []alert.Late
	Caught     []alert.Late
	WorkedIn   int64
	LateData   []alert.LateData
	Alerts     []Doc
	Forget     []string
	Episodes   []Episode
	Unmade     []alert.EpisodeID
	Events     []Event // in their order, the same one several times if it was
	Groups     []alert.Group
	DropGroups []string
	Notify     []Notification // in their order
	EndedAcks  []string
}

// Encode returns the rows of a commit, or why it cannot be kept. It is done outside of
// any transaction, as others wait for that.
func Encode(c *alert.Commit) (*Rows, error) {
	r := &Rows{}
	for _, encode := range []func(*alert.Commit) error{r.addProgress, r.addAlerts, r.addEpisodes, r.addGroups, r.addNotify} {
		if err := encode(c); err != nil {
			return nil, err
		}
	}
	var err error
	r.Events, err = EncodeEvents(c.Events)
	return r, err
}

func (r *Rows) addProgress(c *alert.Commit) (err error) {
	if r.Gone, err = texts("rule group", c.Gone); err != nil {
		return err
	}
	var check checks
	for i := range c.Progress {
		check.text("rule group", c.Progress[i].Group)
	}
	for _, list := range [][]alert.Late{c.Late, c.Caught} {
		for i := range list {
			check.text("rule group", list[i].Group)
			check.text("agent", list[i].Agent)
		}
	}
	for i := range c.LateData {
		check.text("rule group", c.LateData[i].Group)
		check.text("agent", c.LateData[i].Agent)
	}
	r.Progress = lastOf(c.Progress, func(p *alert.Progress) string { return p.Group })
	r.Late = lastOf(c.Late, func(l *alert.Late) [2]string { return [2]string{l.Group, l.Agent} })
	r.Caught, r.WorkedIn = c.Caught, c.WorkedIn
	r.LateData = lastOf(c.LateData, func(d *alert.LateData) int64 { return d.Seq })
	return check.err
}

func (r *Rows) addAlerts(c *alert.Commit) (err error) {
	if r.Alerts, err = EncodeDocs("alert", c.Alerts, func(a *alert.Alert) string { return string(a.Key) }); err != nil {
		return err
	}
	if r.Forget, err = texts("alert", c.Forget); err != nil {
		return err
	}
	r.EndedAcks, err = texts("alert", c.EndedAcks)
	return err
}

func (r *Rows) addEpisodes(c *alert.Commit) error {
	var check checks
	for _, id := range c.Unmade {
		check.text("alert", string(id.Key))
	}
	r.Unmade = c.Unmade
	for _, e := range lastOf(c.Episodes, func(e *alert.Episode) alert.EpisodeID { return e.ID() }) {
		check.text("alert", string(e.Key))
		check.text("rule", e.RuleID)
		doc, err := encode("an episode of alert", string(e.Key), e)
		if err != nil {
			return err
		}
		r.Episodes = append(r.Episodes, Episode{Key: string(e.Key), Fired: e.Fired, Resolved: e.Resolved, RuleID: e.RuleID, Doc: doc})
	}
	return check.err
}

func (r *Rows) addGroups(c *alert.Commit) error {
	var check checks
	for _, g := range lastOf(c.Groups, func(g *alert.Group) string { return g.Key }) {
		check.text("notification group", g.Key)
		if g.Doc == nil {
			r.DropGroups = append(r.DropGroups, g.Key)
		} else {
			r.Groups = append(r.Groups, g)
		}
	}
	return check.err
}

func (r *Rows) addNotify(c *alert.Commit) error {
	var check checks
	for i := range c.Notify {
		n := &c.Notify[i]
		check.text("notification", n.ID)
		check.text("receiver", n.Receiver)
		check.text("order", n.Order)
		keys, err := texts("alert", lastOf(n.Keys, func(k *alert.Key) alert.Key { return *k }))
		if err != nil {
			return err
		}
		doc, err := encode("notification", n.ID, notificationDoc{Title: n.Title, Keys: n.Keys, Alerts: n.Alerts})
		if err != nil {
			return err
		}
		payload := n.Payload
		if payload == nil {
			payload = []byte{} // NULL otherwise
		}
		r.Notify = append(r.Notify, Notification{ID: n.ID, Receiver: n.Receiver, Order: n.Order, Doc: doc, Created: n.Created, Next: n.Next, Payload: payload, Keys: keys})
	}
	return check.err
}

// EncodeEvents returns the rows of events.
func EncodeEvents(events []alert.Event) ([]Event, error) {
	var check checks
	rows := make([]Event, 0, len(events))
	for i := range events {
		e := &events[i]
		check.text("alert", string(e.Key))
		check.text("event", string(e.Kind))
		doc, err := encode("an event of alert", string(e.Key), e)
		if err != nil {
			return nil, err
		}
		rows = append(rows, Event{Key: string(e.Key), Time: e.Time, Kind: string(e.Kind), Doc: doc})
	}
	return rows, check.err
}

// EncodeDocs returns the documents of a list by key; of two of one key, the last.
func EncodeDocs[T any](what string, list []T, key func(*T) string) ([]Doc, error) {
	list = lastOf(list, key)
	docs := make([]Doc, 0, len(list))
	for i := range list {
		k := key(&list[i])
		if err := Check(what, k); err != nil {
			return nil, err
		}
		doc, err := encode(what, k, &list[i])
		if err != nil {
			return nil, err
		}
		docs = append(docs, Doc{k, doc})
	}
	return docs, nil
}

func encode(what, key string, v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("write %s %s: %w", what, key, err)
	}
	return string(b), nil
}

// Decode reads a document.
func Decode[T any](what, key, doc string) (v T, err error) {
	if err := json.Unmarshal([]byte(doc), &v); err != nil {
		return v, fmt.Errorf("read %s %s: %w", what, key, err)
	}
	return v, nil
}

// texts returns the list as texts that can be looked for.
func texts[T ~string](what string, list []T) ([]string, error) {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
		if err := Check(what, out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Texts is like the list, for keys of alerts.
func Texts(keys []alert.Key) ([]string, error) { return texts("alert", keys) }

// lastOf returns the list with each key once: of two, the last. It keeps the list's
// order, and the list itself as it is.
func lastOf[K comparable, T any](list []T, key func(*T) K) []T {
	at := make(map[K]int, len(list))
	out := make([]T, 0, len(list))
	for i := range list {
		k := key(&list[i])
		if j, ok := at[k]; ok {
			out[j] = list[i]
			continue
		}
		at[k] = len(out)
		out = append(out, list[i])
	}
	return out
}
