// Package relay takes the agents of a site that cannot reach the platform, and
// forwards them over the connection that one process there can make.
//
// Agents find a collector: the same port, the same mutual TLS, the same answers.
// The relay checks their certificates and passes their streams and calls on to
// central collectors as they are, with who the agent is in metadata that those take
// from relays only ([Central]). What the centre decides about an agent reaches it
// unchanged; so does every acknowledgement, which therefore still means that the
// central log has the data. The relay keeps nothing, decodes nothing and answers for
// nothing: each message is held once, and HTTP/2's flow control on both sides makes
// a slow centre slow the agents down.
//
// Start reading at [Relay.Run]; call.go decides what passes, stream.go is one agent's
// stream, uplink.go the way to the centre, central.go the other end.
package relay
