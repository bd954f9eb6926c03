package platform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Alone is the whole platform as one process, with SQLite and the embedded log.
type Alone struct{ *Process }

// StartAlone starts it and returns when it is ready. The data directory is below dir; it
// stays when the process is closed.
func StartAlone(ctx context.Context, bin, dir string, env ...string) (*Alone, error) {
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(dir, "esmon.log"), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600) //nolint:gosec // below the folder that the caller gives
	if err != nil {
		return nil, err
	}
	a := &Alone{&Process{
		Name: "esmon", Target: "all", Dir: data, bin: bin, env: env, ways: newProxies("esmon"), HTTP: "127.0.0.1:0", GRPC: "127.0.0.1:0", log: log,
	}}
	if err := a.Start(ctx); err != nil {
		return a, err
	}
	return a, a.AwaitReady(ctx)
}

// AwaitReady returns when it says that it is ready.
func (a *Alone) AwaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return Eventually(ctx, func() error { return a.Ready(ctx) })
}

// Token returns an enrolment token for so many agents.
func (a *Alone) Token(ctx context.Context, uses int) (string, error) {
	return a.command(ctx, "token", "create", "--uses", fmt.Sprint(uses), "--ttl", "24h")
}

// URL returns where people and programs ask.
func (a *Alone) URL() string { return "http://" + a.HTTP }

// Close ends it.
func (a *Alone) Close() error {
	var err error
	if a.Running() {
		err = a.Stop()
	}
	a.ways.close()
	return errors.Join(err, a.log.Close())
}
