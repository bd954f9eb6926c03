// Package control keeps the registry of agents: who enrolled, with which token,
// who is connected, what the operator assigned, and who is shut out.
//
//   - [Registry] is the registry. A collector opens a [Session] on it for each
//     stream of an agent; clone.go says how a copied identity is told from a lost
//     welcome.
//   - Several processes may keep it over one database: shared.go says how each
//     follows the others, connected.go where an agent is connected.
//   - The gRPC services on top are enrolment, tokens and agents: enrol.go,
//     tokens.go, agents.go.
//   - auth.go guards the agents' port: the handshake, and each call by its
//     certificate.
//   - [Store] is what the databases implement; the suite dbtest.RunControl says
//     what correct means.
package control
