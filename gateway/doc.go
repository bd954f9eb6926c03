// Package gateway is what people and programs talk to over HTTP: the contracts as
// REST, the live WebSocket, the Prometheus HTTP API, health, the platform's own
// metrics, the API's documentation and the dashboard.
//
// It knows the platform through a gRPC connection only, so that it is the same in
// one process with everything else and on a machine of its own.
//
// Until people can log in it listens on loopback addresses only and answers only
// requests that name a loopback host; see guard.go.
//
// Start reading at [New], then handler.go for who answers which path.
package gateway
