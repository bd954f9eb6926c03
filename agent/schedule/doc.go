// Package schedule runs the probes, each at its interval and independent of all
// others: one that fails, is slow, hangs or panics harms only itself. A run that
// has not returned is waited for, without end if need be, and the runs that fall
// due meanwhile are skipped and counted.
//
// Probes of one agent run at the same phase of their interval, a few hundred
// milliseconds apart, so that what they read travels in one batch; the phase
// differs from agent to agent, so that a fleet's batches are spread.
//
// Start reading at [New] and [Schedule.Run]; job.go is the life of one probe.
package schedule
