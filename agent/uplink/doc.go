// Package uplink carries the spool's batches to the server over one gRPC stream
// and takes the acknowledgements back.
//
// A batch leaves the spool when it is acknowledged and not before; whatever was
// under way when a stream broke is sent again on the next. What is measured now
// goes first; what waited for a connection follows in a smaller window of its
// own, so that catching up delays nothing. A batch that the server puts off goes
// again when the server said.
//
// [Uplink.Run] keeps a stream open to one of the collectors. Each agent prefers
// them in an order of its own; one that fails is followed by the next at once and
// avoided for a while; once all have failed, rounds are spread by full jitter. A
// collector that wants the agent to go is obeyed at once. The certificate is
// renewed and exchanged on the way. An identity that is refused for good stops the
// streaming, not the measuring.
//
// Start reading at [Uplink.Run]; choice.go decides which collector is next and
// when, roster.go remembers how it went with each, verdict.go says what an error
// means for that. session.go is one stream, sending.go and answers.go its two
// directions, window.go decides which batch goes next.
package uplink
