// Package cluster connects the platform's own processes. A process is a node: it
// has a name and runs some of the targets collector, storage, alerting, dispatch,
// control, gateway and relay.
//
//   - [Node] is who this process is. [Open] finds its certificate in the data
//     directory, joins with a token or, where the authority's key is, issues one
//     itself; renew.go renews it while the process runs.
//   - [Server] is the internal port: gRPC and HTTP/1.1 behind one handshake, for
//     nodes only. [Rules] say which target may call what; what they do not name is
//     refused.
//   - [Dial] is the way to the nodes with a target: all of them in turn, those left
//     out that say they are not ready. [DialLeader] is the way to the one that leads.
//   - [Joining] gives nodes their certificates and keeps join tokens; nodes with
//     target control offer it. [TokenStore] is what the databases implement; the
//     suite dbtest.RunNodeTokens says what correct means.
package cluster

import "github.com/esolutions/esmon/services/mtls"

// Targets.
const (
	Collector = "collector"
	Storage   = "storage"
	Alerting  = "alerting"
	Dispatch  = "dispatch"
	Control   = "control"
	Gateway   = "gateway"
	Relay     = "relay"
	All       = mtls.AllTargets // every one of them; alone in a list
)

// targets are those that there are.
var targets = []string{Alerting, All, Collector, Control, Dispatch, Gateway, Relay, Storage}

// Identity says which node something is about: its name, and the targets that its
// certificate lists.
type Identity = mtls.NodeID
