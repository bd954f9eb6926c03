// Package agent wires the agent's parts: probes, schedule, spool and uplink. It
// starts them in the order of the data's way and stops them in the same order,
// so that what was read last is still written, sent and acknowledged.
//
// Start reading at [Run].
package agent
