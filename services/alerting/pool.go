package alerting

import (
	"context"
	"sync"
)

// pool runs jobs, in the order in which they are given, a few at a time.
type pool struct {
	mu       sync.Mutex // guards jobs
	jobs     []*job
	wake     chan struct{}
	outcomes chan outcome
	running  int // jobs given whose outcome was not taken; the leader's
}

func (p *pool) init() {
	p.wake, p.outcomes = make(chan struct{}, 1), make(chan outcome)
}

func (p *pool) start(ctx context.Context, wg *sync.WaitGroup, workers int) {
	for range workers {
		wg.Go(func() { p.work(ctx) })
	}
}

// give has the job run. Its group belongs to it until its outcome comes.
func (p *pool) give(j *job) {
	j.g.busy = true
	p.running++
	p.mu.Lock()
	p.jobs = append(p.jobs, j)
	p.mu.Unlock()
	p.nudge()
}

func (p *pool) nudge() {
	select {
	case p.wake <- struct{}{}:
	default: // somebody will look
	}
}

func (p *pool) take() *job {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.jobs) == 0 {
		return nil
	}
	j := p.jobs[0]
	p.jobs = p.jobs[1:]
	if len(p.jobs) > 0 {
		p.nudge() // for the next worker
	}
	return j
}

func (p *pool) work(ctx context.Context) {
	for {
		j := p.take()
		if j == nil {
			select {
			case <-ctx.Done():
				return
			case <-p.wake:
			}
			continue
		}
		o := j.run(ctx)
		select {
		case <-ctx.Done():
			return
		case p.outcomes <- o:
		}
	}
}
