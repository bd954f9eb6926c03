// Package alertmanager answers Alertmanager's HTTP API, version 2, and what Prometheus'
// API says of rules and alerts, out of the platform's own services: Prometheus servers
// send their alerts here, amtool, Grafana and other clients work unchanged.
//
// Start reading at [New] and [Prometheus]. What Alertmanager's contract leaves open is
// answered as Alertmanager 0.27 does (api/v2/openapi.yaml).
package alertmanager
