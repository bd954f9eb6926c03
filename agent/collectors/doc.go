// Package collectors is the agent's way to the servers that take its data: the
// addresses that are configured, what they stand for in the DNS, and connections
// to them, directly or through an HTTP proxy.
//
// [ParseAddress] reads an address; [Dialer.Candidates] looks addresses up, each
// IP address being a candidate of its own; [Dialer.Connect] makes a connection to
// one candidate and to no other: which one is tried when is for the uplink to
// decide. Through a proxy the TLS connection is end to end: the proxy sees the
// name of the collector and bytes.
package collectors
