// Package query answers PromQL: over gRPC as the platform's own QueryService, and
// over HTTP in the very form that Prometheus has, so that Grafana, promtool and
// every other PromQL client work unchanged. It evaluates with Prometheus' engine,
// and is the only package that imports it.
//
// Start reading at [Service]. A request becomes a job (run.go), waits at the gate
// (gate.go) for its turn, and is evaluated over a Queryable (queryable.go) that
// reads the [Source]. What a request may cost is bounded at every step: the length
// of its text and the size of its regular expressions before it is parsed
// (check.go), the series and samples it touches while it runs (budget.go), its time,
// and how many run at once. Each refusal names the limit and the setting.
//
// Rules are evaluated by an [Evaluator], which does not wait at the gate and applies
// the operators on top of an expression to whole series (plan.go, columns.go). analyse.go
// and comparison.go say what an expression stands on and compares with; overlay.go,
// restrict.go, share.go, until.go and memory.go are sources for rules.
//
// grpc.go is the one face, prom*.go the other. errors.go says which error is shown
// how on both.
package query
