// Package slack tells Slack, and chats that take the same, by an incoming webhook.
//
// A message has a coloured bar, blocks for the alerts, buttons, and the names of all
// hosts, in further messages if they take more space. Start reading at [Receiver.Send].
package slack
