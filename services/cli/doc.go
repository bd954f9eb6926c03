// Package cli is the command line of the platform: `esmon serve` runs it, the other
// commands ask a running one.
//
// On the server's own host they talk gRPC over the control socket in the data
// directory, which only the user who runs the server can open. With --server they
// talk to the REST interface, by the same generated clients; see package restconn.
//
// Results go to standard output, everything else to standard error. The exit code
// is 0 when all went well, 1 when it did not, and 2 when the command line itself
// was wrong.
//
// Start reading at [Main].
package cli
