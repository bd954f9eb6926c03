// Package teams tells Microsoft Teams, by a webhook of a Workflow that posts Adaptive
// Cards to a channel or chat.
//
// Teams refuses what is larger than 28 kB. A card therefore has as many alerts in full
// as fit; all hosts are named, folded to ranges, in further messages if need be.
//
// Foreign text stands in text runs, which know no markdown, wherever that can be; in
// facts it is escaped. Start reading at [Render].
package teams
