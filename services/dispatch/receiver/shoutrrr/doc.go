// Package shoutrrr tells the many services that the library of that name knows: Discord,
// Telegram, ntfy, Gotify, Matrix, Mattermost, Pushover and others, by a URL of theirs.
//
// Messages are plain text and short: what does not fit is counted. The library calls
// services by itself, so that the receiver's proxy and certificates do not count for it;
// those of the environment do. Start reading at [Receiver.Send].
package shoutrrr
