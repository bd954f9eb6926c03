// Package freeport finds ports on loopback for the servers that tests start, stop and
// start again.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Below the ports that the system hands out to clients: one of those may have a server's
// by the time it is started again.
const from, to = 20000, 32000

// Find returns so many ports that nobody listens on now. Another process may take one
// before it is used: who can tries again with another.
func Find(n int) ([]int, error) {
	var ports []int
	for range 100 * n {
		port := from + rand.IntN(to-from)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		defer l.Close() //nolint:errcheck // it only held the port, so that none is found twice
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, fmt.Errorf("%d free ports from %d to %d on 127.0.0.1 are needed; there are %d", n, from, to, len(ports))
}
