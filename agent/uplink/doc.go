// Package uplink carries the spool's batches to the server over one gRPC stream
// and takes the acknowledgements back.
//
// A batch leaves the spool when it is acknowledged and not before; whatever was
// under way when a stream broke is sent again on the next. What is measured now
// goes first; what waited for a connection follows in a smaller window of its
// own, so that catching up delays nothing. A batch that the server puts off goes
// again when the server said.
//
// [Uplink.Run] keeps a stream open: attempts are spread by full jitter, servers
// are tried in turn, the certificate is renewed and exchanged on the way. An
// identity that the server refuses for good stops the streaming, not the
// measuring.
//
// Start reading at [Uplink.Run]; session.go is one stream, window.go decides
// which batch goes next.
package uplink
