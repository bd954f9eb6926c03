// Package alertapi answers the services of esmon.alert.v1: alerts and their history,
// rules and their backtest, silences, and who is told what.
//
// Start reading at [Service]. It reads the database and the configuration, so that any
// process that has both can answer; view.go holds the states of all alerts for a second,
// since people and dashboards ask for them again and again. Only how evaluating rules
// goes is known by one process alone, the one that does it: leader.go asks that one.
package alertapi
