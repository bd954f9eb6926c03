package cluster

import "google.golang.org/grpc"

// leadership is what a node says, as another target, while it leads those with the
// target.
func leadership(target string) string { return target + "/leader" }

// SetLeading says whether this node is the one of those with the target that does what
// one alone may do. Until it is said, it is not.
func (s *Server) SetLeading(target string, leads bool) {
	s.SetServing(leadership(target), leads)
}

// DialLeader returns a connection to the one of the nodes with the target that says that
// it leads; see [Server.SetLeading]. While none does, a call fails at once with
// UNAVAILABLE. All else is as with [Dial].
func DialLeader(target string, addresses []string, node *Node) (*grpc.ClientConn, error) {
	return dial(target, leadership(target), addresses, node)
}
