// Package pki is the platform's own certificate authority. It is made in the data
// directory at the first start and issues three kinds of certificates: those of
// servers, held in memory only and renewed while they run, and those of agents and
// of the platform's own nodes, from the key in a certificate request.
//
// The authority's key stays the same for life; its certificate is renewed under
// it. What agents pin at enrolment is the key, so a renewal needs nothing of them.
//
// Start reading at [Open] and [Authority.IssueAgent]; node.go has the nodes', files.go has the files.
package pki
