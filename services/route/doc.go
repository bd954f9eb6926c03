// Package route is how a gateway that is a process of its own reaches the other
// processes of the platform, and what storage nodes do so that graphs never jump
// back when it goes to another of them.
//
// On the gateway's side, [Conn] sends each call to the part of the platform that
// answers it. [Storage] is the part with several nodes that hold the same: a session
// stays on one of them while it is healthy, and a read that a node took with it
// when it died is asked again on another. [Storage.Proxy] does the same for the
// Prometheus HTTP API.
//
// Every answer of a storage node says where in the ingest log the node stood
// (esmon-position). The gateway remembers the farthest of each session and sends
// it along with the next request (esmon-min-position). On the node's side,
// [Freshness] holds a request back until the node has read that far, or answers
// after a while with a warning.
//
// Start reading at [Storage.Invoke]; trip.go says when a request is sent again,
// pick.go which node gets it, and watch.go how a node's health is known.
package route
