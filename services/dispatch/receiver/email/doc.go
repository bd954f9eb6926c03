// Package email sends messages by SMTP, as HTML and as text. The messages of one thread
// are one conversation, and one that is sent twice has the same Message-ID.
//
// Start reading at [Receiver.Send].
package email
