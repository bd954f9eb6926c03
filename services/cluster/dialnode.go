package cluster

import (
	"fmt"

	"google.golang.org/grpc"
)

// DialNode returns a connection to one node with the target, at host:port, whether
// it says that it serves or not: for asking how it is. Otherwise it is as [Dial].
func DialNode(target, address string, node *Node) (*grpc.ClientConn, error) {
	if err := checkAddresses([]string{address}); err != nil {
		return nil, fmt.Errorf("address of a node with target %s: %w", target, err)
	}
	conn, err := grpc.NewClient("passthrough:///"+address, append(dialOptions(target, node),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"pick_first": {}}]}`))...)
	if err != nil {
		return nil, fmt.Errorf("set up the connection to %s: %w", address, err)
	}
	return conn, nil
}
