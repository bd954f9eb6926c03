package alertapi

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/metric"
)

const (
	maxLabelName = 200
	maxBegin     = 100 // of a label's value in a token
)

// group counts the alerts with one value of a label.
type group struct {
	*alertv1.AlertGroup

	begin  string // of the value
	hash   string // of one that is longer
	rank   int    // of the severity
	firing bool
	newest int64
}

// ListAlertGroups implements alertv1.AlertServiceServer.
func (s *Service) ListAlertGroups(ctx context.Context, req *alertv1.ListAlertGroupsRequest) (*alertv1.ListAlertGroupsResponse, error) {
	size, err := pageSize(req.GetPageSize())
	if err != nil {
		return nil, err
	}
	f, err := newFilter(req)
	if err != nil {
		return nil, err
	}
	by := cmp.Or(req.GetBy(), alert.NameLabel)
	if !metric.ValidLabelName(by) || len(by) > maxLabelName {
		return nil, fault.New(fault.Invalid, "label_name_invalid", "by: %q is no name of a label: use letters, digits and underscores", by)
	}
	after, err := parseCursor(req.GetPageToken(), "groups "+by, 2, 2)
	if err != nil {
		return nil, err
	}
	v, err := s.views.get(ctx)
	if err != nil {
		return nil, err
	}
	groups := groupItems(selectItems(v, f), by)
	res := &alertv1.ListAlertGroupsResponse{TotalSize: int64(len(groups))}
	if after != nil {
		last := &group{AlertGroup: &alertv1.AlertGroup{Firing: after.N[1]}, rank: int(after.N[0]), begin: after.S[0], hash: after.S[1]}
		groups = slices.DeleteFunc(groups, func(g *group) bool { return compareGroups(g, last) <= 0 })
	}
	if len(groups) > size {
		groups = groups[:size]
		g := groups[size-1]
		res.NextPageToken = cursor{"groups " + by, []int64{int64(g.rank), g.GetFiring()}, []string{g.begin, g.hash}}.token()
	}
	for _, g := range groups {
		res.Groups = append(res.Groups, g.AlertGroup)
	}
	return res, nil
}

func compareGroups(a, b *group) int {
	return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(b.GetFiring(), a.GetFiring()), cmp.Compare(a.begin, b.begin), cmp.Compare(a.hash, b.hash))
}

// newGroup returns the group of a value. Values may be long: tokens have only the
// beginning of one, and for those that begin alike a hash.
func newGroup(value string) *group {
	g := &group{AlertGroup: &alertv1.AlertGroup{Value: value}, begin: value, rank: alert.SeverityRank("") + 1}
	if len(value) > maxBegin {
		g.begin = strings.ToValidUTF8(value[:maxBegin], "")
		sum := sha256.Sum256([]byte(value))
		g.hash = hex.EncodeToString(sum[:16])
	}
	return g
}

func groupItems(list []*item, by string) []*group {
	index := map[string]*group{}
	var groups []*group
	for _, it := range list {
		value := it.Labels.Get(by)
		g := index[value]
		if g == nil {
			g = newGroup(value)
			index[value] = g
			groups = append(groups, g)
		}
		g.add(it)
	}
	slices.SortFunc(groups, compareGroups)
	return groups
}

func (g *group) add(it *item) {
	severity := it.Labels.Get(alert.SeverityLabel)
	rank, fires := alert.SeverityRank(severity), it.State == alert.Firing
	if fires && !g.firing || fires == g.firing && rank < g.rank {
		g.rank, g.Severity = rank, severity
	}
	g.firing = g.firing || fires
	switch it.State {
	case alert.Firing:
		g.Firing++
		if g.newest = max(g.newest, it.Fired); g.newest == it.Fired {
			g.FireTime = stamp(it.Fired)
		}
	case alert.Pending:
		g.Pending++
	case alert.Resolved:
		g.Resolved++
	case alert.Inactive:
	}
	for counter, is := range map[*int64]bool{&g.Held: it.Hold != nil, &g.Acknowledged: it.Ack != nil, &g.Silenced: len(it.SilencedBy) > 0} {
		if is {
			*counter++
		}
	}
}
