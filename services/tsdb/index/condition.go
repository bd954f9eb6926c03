package index

import (
	"slices"
	"sync"
)

// condition is a matcher in one run of Select: what it answered before, and
// which entities fulfil it.
type condition struct {
	m      Matcher
	name   string
	absent bool            // a label that is not there matches
	known  bool            // set holds all values that can match
	set    []string        // each once
	sole   bool            // known, and the one value of set does match
	memo   map[string]bool // answers by value

	found    bool
	lists    [][]*Entity // the entities by value; valid if found
	entities int         // of all lists
}

func (c *condition) init(m Matcher) {
	c.m, c.name, c.absent = m, m.Name(), m.Matches("")
	if set := m.Set(); set != nil {
		c.known, c.set = true, unique(set)
		c.sole = len(c.set) == 1 && m.Matches(c.set[0])
	}
}

func (c *condition) matches(value string) bool {
	if c.known && len(c.set) < 2 {
		return c.sole && value == c.set[0]
	}
	ok, asked := c.memo[value]
	if !asked {
		if c.memo == nil {
			c.memo = memos.Get().(map[string]bool) //nolint:forcetypeassert // nothing else is put there
		}
		ok = c.m.Matches(value)
		c.memo[value] = ok
	}
	return ok
}

// memos are memories of conditions, empty, to be used again: rules ask about the same
// hosts again and again, and growing a map takes longer than the answers.
var memos = sync.Pool{New: func() any { return map[string]bool{} }}

// maxMemo is how many answers a memory may have had that is used again.
const maxMemo = 100_000

// release gives the memory back; nothing may be asked after it.
func (c *condition) release() {
	if c.memo != nil && len(c.memo) <= maxMemo {
		clear(c.memo)
		memos.Put(c.memo)
	}
	c.memo = nil
}

// find looks up the entities that fulfil the condition and tells whether it
// could: not where those match that lack the label, nor where more than limit
// values had to be asked for. An entity has one value a label and stands in its
// list once, so the lists share none.
func (c *condition) find(x *Index, limit int) bool {
	if c.found || c.absent {
		return c.found
	}
	values := x.labels[c.name]
	if !c.known && len(values) > limit {
		return false
	}
	c.found = true
	if c.known {
		for _, v := range c.set {
			c.add(v, values[v])
		}
		return true
	}
	for v, list := range values {
		c.add(v, list)
	}
	return true
}

// add asks without keeping the answer: here each value comes once.
func (c *condition) add(value string, list []*Entity) {
	if len(list) > 0 && c.m.Matches(value) {
		c.lists = append(c.lists, list)
		c.entities += len(list)
	}
}

func unique(values []string) []string {
	if len(values) < 2 {
		return values
	}
	values = slices.Clone(values)
	slices.Sort(values)
	return slices.Compact(values)
}
