package collector

import "errors"

// Ready returns why nothing is taken at the moment, nil if it is.
func (c *Collector) Ready() error {
	for _, g := range c.gatherers {
		if g.isPaused() {
			return errors.New("the ingest log takes nothing more: storage has not caught up, or the disk is nearly full; agents keep what they measure and send it later")
		}
	}
	return nil
}

// isPaused tells whether the log was full a moment ago.
func (g *gatherer) isPaused() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.paused
}
