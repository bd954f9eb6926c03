// Package rule reads alerting and recording rules: files in the form that Prometheus
// has, with a few fields more. What Prometheus takes is taken here and means the same;
// what it refuses is refused, with line and field.
//
// Start reading at [Rule], which says what a rule has, then [Parse] and [Load]. The
// values of labels and annotations are templates ([Template]); a [Schedule] says when
// a rule applies; a [Parameter] is a threshold that the operator sets without changing
// the file.
//
// Package eval evaluates rules, ruletest runs unit tests of them, backtest runs them
// over stored history, and catalogue has the rules that come with the platform.
package rule
