// Package eval evaluates rules: it turns what expressions result in, at the times of
// a group, into alerts, episodes and recorded series. For rules as Prometheus has
// them it does exactly what Prometheus does; beside that it knows conditions for the
// end of an alert, what to do without data, schedules, and alerts that cannot be
// decided because the data is not there yet.
//
// It has no clock and does no I/O but queries, so the same data gives the same
// alerts: in time, when data came late (the caller then has the missed times
// evaluated, see [Group.EvalRule]), when history is corrected ([Group.Replay]), and
// in a backtest. All that is needed to go on is in alert.Alert.
//
// Start reading at [Group.EvalRule]. machine.go is what happens to the alerts of a
// rule at one time and verdict.go why; vectors.go gets the data, in one query for
// many times; record.go is for recording rules.
package eval
