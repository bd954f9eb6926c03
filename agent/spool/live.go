package spool

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
)

// pair is an entity reported in the shape of a schema.
type pair struct{ entity, schema uint32 }

// liveSet holds, for each probe, the pairs that it reported last. The value
// tells whether the pair is in the file.
type liveSet map[string]map[pair]bool

func (l liveSet) add(probe string, p pair) {
	set := l[probe]
	if set == nil {
		set = map[pair]bool{}
		l[probe] = set
	}
	if _, known := set[p]; !known {
		set[p] = false
	}
}

// vanished returns the pairs of the probe that are not among those seen now.
func (l liveSet) vanished(probe string, seen map[pair]bool) (gone []pair) {
	for p := range l[probe] {
		if !seen[p] {
			gone = append(gone, p)
		}
	}
	return gone
}

func (l liveSet) remove(probe string, gone []pair) {
	for _, p := range gone {
		delete(l[probe], p)
	}
	if len(l[probe]) == 0 {
		delete(l, probe)
	}
}

// entities returns every entity that is live.
func (l liveSet) entities() map[uint32]bool {
	set := map[uint32]bool{}
	for _, pairs := range l {
		for p := range pairs {
			set[p.entity] = true
		}
	}
	return set
}

// save writes what is new; markSaved follows the commit.
func (l liveSet) save(tx *sql.Tx) error {
	for probe, pairs := range l {
		for p, saved := range pairs {
			if saved {
				continue
			}
			if _, err := tx.Exec("INSERT OR IGNORE INTO live VALUES (?, ?, ?)", probe, p.entity, p.schema); err != nil {
				return fmt.Errorf("save a live entity: %w", err)
			}
		}
	}
	return nil
}

func (l liveSet) markSaved() {
	for _, pairs := range l {
		for p := range pairs {
			pairs[p] = true
		}
	}
}

// unsaved returns the set for a new file, which holds none of it yet.
func (l liveSet) unsaved() liveSet {
	for _, pairs := range l {
		for p := range pairs {
			pairs[p] = false
		}
	}
	return l
}

func (l liveSet) load(ctx context.Context, conn *sql.Conn) error {
	rows, err := conn.QueryContext(ctx, "SELECT probe, entity, schema FROM live")
	if err != nil {
		return fmt.Errorf("read live entities: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var probe string
		var p pair
		if err := rows.Scan(&probe, &p.entity, &p.schema); err != nil {
			return fmt.Errorf("read a live entity: %w", err)
		}
		l.add(probe, p)
		l[probe][p] = true
	}
	return rows.Err()
}

// probes returns the names of the probes that have live entities.
func (l liveSet) probes() []string {
	return slices.Sorted(maps.Keys(l))
}
