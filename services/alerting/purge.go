package alerting

import (
	"context"
	"fmt"
	"time"
)

const (
	purgeInterval = time.Hour
	// purgeFirst is how soon after the start it is purged.
	purgeFirst = time.Minute
	purgeLimit = 1000
	// purgeRest keeps purging from crowding out what is urgent.
	purgeRest = 100 * time.Millisecond
)

// purge deletes what was kept for long enough, while this process leads.
func (a *Alerting) purge(ctx context.Context) {
	for pause := purgeFirst; ctx.Err() == nil; pause = purgeInterval {
		a.waitFor(ctx, pause, nil)
		if !a.pulse.leading.Load() {
			continue
		}
		if err := a.purgeOnce(ctx); err != nil && ctx.Err() == nil {
			a.log.Warn("old history of alerts could not be deleted; it is tried again", "error", err, "after", purgeInterval)
		}
	}
}

func (a *Alerting) purgeOnce(ctx context.Context) error {
	now := a.deps.Now()
	before := now.Add(-a.cfg.SilenceRetention).UnixMilli()
	if err := a.deps.Store.PurgeSilences(ctx, before); err != nil {
		return fmt.Errorf("purge silences: %w", err)
	}
	if err := a.deps.Store.PurgeOverrides(ctx, before); err != nil {
		return fmt.Errorf("purge overrides: %w", err)
	}
	for more := true; more && ctx.Err() == nil; a.waitFor(ctx, purgeRest, nil) {
		var err error
		if more, err = a.deps.Store.PurgeHistory(ctx, now.Add(-a.cfg.HistoryRetention).UnixMilli(), purgeLimit); err != nil {
			return fmt.Errorf("purge history: %w", err)
		}
	}
	return nil
}
