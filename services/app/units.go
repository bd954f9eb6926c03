package app

import (
	"sync"
	"time"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb"
)

// unitsAge is how old the units of metrics may be that others are told.
const unitsAge = time.Minute

// units knows the units of metrics.
type units struct {
	db *tsdb.DB

	mu   sync.Mutex // guards what follows
	of   map[string]string
	read time.Time
}

// Unit returns the unit of a metric as a UCUM code, "" if it is not known.
func (u *units) Unit(name string) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	if time.Since(u.read) > unitsAge {
		u.of, u.read = map[string]string{}, time.Now()
		u.db.Metadata(func(c *metric.Column) bool {
			u.of[c.Name] = c.Unit
			return true
		})
	}
	return u.of[name]
}
