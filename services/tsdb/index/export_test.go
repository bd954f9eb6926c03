package index

import (
	"fmt"
	"reflect"
)

// How far behind the sights of a definition may be that were noted and stored.
const SightLag = noteStep + storeStep

// Consistent returns an error unless the index is what one would be that was
// built anew from what is known.
func Consistent(x *Index) error {
	x.mu.RLock()
	defer x.mu.RUnlock()
	anew := New()
	for _, e := range x.entities {
		anew.addEntity(e.ID, &e.Def)
	}
	for _, s := range x.schemas {
		anew.addSchema(s.ID, s.Def)
	}
	if got, want := postings(x), postings(anew); !reflect.DeepEqual(got, want) {
		return fmt.Errorf("entities by label are %v, want %v", got, want)
	}
	if got, want := shapes(x), shapes(anew); !reflect.DeepEqual(got, want) {
		return fmt.Errorf("shapes are %v, want %v", got, want)
	}
	return consistentPairs(x)
}

// postings returns the ids that stand in each list, and how often.
func postings(x *Index) map[string]map[string]int {
	out := map[string]map[string]int{}
	for name, values := range x.labels {
		out[name] = map[string]int{}
		for v, list := range values {
			for _, e := range list {
				out[name][v+" of "+e.ID.String()]++
			}
		}
	}
	return out
}

func shapes(x *Index) map[string]map[string]map[string]int {
	out := map[string]map[string]map[string]int{}
	for name, list := range x.shapes {
		out[name] = map[string]map[string]int{}
		for _, h := range list {
			out[name][fmt.Sprint(h.names)] = h.keys
		}
	}
	return out
}

func consistentPairs(x *Index) error {
	known, width := 0, 0
	for ref, p := range x.byRef {
		if p == nil {
			continue
		}
		known, width = known+1, width+p.Width()
		switch {
		case int(p.Ref) != ref:
			return fmt.Errorf("pair %d stands at %d", p.Ref, ref)
		case x.entities[p.Entity.ID] != p.Entity || x.schemas[p.Schema.ID] != p.Schema:
			return fmt.Errorf("pair %d is of a definition that is not known", ref)
		case p.Entity.Pair(p.Schema) != p || p.Schema.pairs[p.at] != p:
			return fmt.Errorf("pair %d is not in the lists of its definitions", ref)
		}
	}
	inLists := 0
	for _, e := range x.entities {
		inLists += len(*e.pairs.Load())
	}
	for _, s := range x.schemas {
		inLists += len(s.pairs)
	}
	if inLists != 2*known || x.pairs != known || x.series != width || len(x.byRef) != known+len(x.freeRefs) {
		return fmt.Errorf("%d pairs of %d series: counted %d and %d, %d in lists, %d numbers of which %d are free",
			known, width, x.pairs, x.series, inLists, len(x.byRef), len(x.freeRefs))
	}
	return nil
}
