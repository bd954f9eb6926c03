// Package webhook posts messages to any HTTP server: as Alertmanager does, in version 4
// of its payload, or in a form of one's own by a template. The body can be signed.
//
// Start reading at [Receiver.Send].
package webhook
