// Package wording has what the texts of all receivers are made of: foreign text made
// harmless, cut to a length, values with their units, times, the curve of the last hour,
// and the parts of a message that every channel shows.
//
// Labels and annotations come from hosts, and whoever has a host may write into them.
// Everything that is shown passes [Line] or [Text] first, and then the escaping of the
// channel.
//
// Start reading at [Line] and [Plain].
package wording
