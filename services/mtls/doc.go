// Package mtls is the transport security between agents and the platform: who
// may talk to whom, and in which cipher. Both sides import it, so it knows TLS
// and certificates only.
//
//   - TLS 1.3 only, no session tickets: every connection proves who it is.
//   - ChaCha20-Poly1305 is put first in the process' list of suites and enforced
//     on each connection; [System] leaves the choice to the Go runtime, for sites
//     that need FIPS. cipher.go has the how and the why; [SelfCheck] proves it at
//     start-up.
//   - An agent is who its certificate says: a URI esmon://agent/<id>, issued by
//     the platform's own CA for client authentication. A server carries
//     esmon://server, issued for server authentication. Neither can stand in for
//     the other.
//   - A node is a process of the platform: esmon://node/<name>/<target>,…, issued
//     for both, as nodes call each other. The certificate of a node that agents
//     talk to carries esmon://server as well; no agent is ever taken for a node, nor
//     a node for an agent. node.go has it.
//   - Certificates and roots are asked for at each handshake, so they can be
//     renewed under a running process.
//
// Start reading at [Options], then [ServerConfig], [ClientConfig] and, for
// enrolment, [ParseToken] and [PinnedClientConfig]. What went wrong in a
// handshake, and what to do, says [Explain].
package mtls
