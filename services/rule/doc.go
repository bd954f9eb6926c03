// Package rule reads alerting and recording rules: files in the form that Prometheus
// has, with a few fields more.
//
// Start reading at [Rule] and [Parse]. Package eval evaluates rules, ruletest runs
// unit tests of them, and backtest runs them over stored history.
package rule
