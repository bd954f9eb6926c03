// Package enrol gets and keeps the agent's identity: a key made on this host, a
// certificate that the server issued for it, and the CAs to trust.
//
// [Enrol] trades a token for an identity; [Store] keeps it in the state
// directory, together with the connect counter by which the server tells a
// copied identity; [Renew] replaces the certificate before it ends. The key
// never leaves the host.
package enrol
