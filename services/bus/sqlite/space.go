package sqlite

import "time"

// spaceEvery is how often the file system is asked what is left.
const spaceEvery = time.Second

// space is what was known last of the file system. Log.mu guards it.
type space struct {
	asked time.Time
	free  int64
	known bool
}

// low tells whether less is left than must be. A file system that does not say is
// not low.
func (s *space) low(cfg *Config) (free int64, low bool) {
	if since := cfg.Now().Sub(s.asked); since >= spaceEvery || since < 0 {
		free, err := cfg.Free()
		s.asked, s.free, s.known = cfg.Now(), free, err == nil
	}
	return s.free, s.known && s.free < cfg.MinFreeBytes
}
