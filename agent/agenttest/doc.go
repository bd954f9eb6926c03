// Package agenttest is a server for tests of the agent, or several collectors of
// one platform, and an HTTP proxy before them: real gRPC over real
// mutual TLS with certificates made on the spot, and every misbehaviour that a
// test asks for. It keeps what it acknowledged, so that a test can compare it
// with what was measured.
package agenttest
