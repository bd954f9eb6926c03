// Package pki is the platform's own certificate authority. It is made in the data
// directory at the first start and issues two kinds of certificates: those of
// servers, held in memory only and renewed while they run, and those of agents,
// from the key in an agent's certificate request.
//
// The authority's key stays the same for life; its certificate is renewed under
// it. What agents pin at enrolment is the key, so a renewal needs nothing of them.
//
// Start reading at [Open] and [Authority.IssueAgent]; files.go has the files.
package pki
