// Package probe declares what reads a host's metrics.
//
// A probe is a folder below this one: its code, files per operating system
// where they differ, a README with the table of its metrics (a test compares
// the table with the code) and recorded input. Package builtin lists them all;
// package probetest holds what their tests share.
//
// Start reading at [Probe]; then [Emitter], which takes the readings, and
// [Run], which is how a scheduler runs a probe once.
package probe
