// Package platform runs the platform as several processes over throwaway engines: a
// cluster of RabbitMQ, a primary and a standby of PostgreSQL, and built binaries
// that reach each other and the engines through proxies, so that each can be cut
// off from all others. It is for tests and for the chaos run.
package platform
