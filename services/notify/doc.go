// Package notify decides who is told what about alerts, and when: it routes alerts to
// groups, waits, repeats, escalates, and keeps quiet about what is silenced, inhibited,
// acknowledged or flapping. It is pure: it does no I/O and is given the time.
//
// Start reading at [Planner] and its method Plan. What it is to do stands in a file,
// routes.yaml: [Config] and [Parse]. Its tree of routes, its inhibition rules and its
// time intervals are those of Alertmanager. Package interval has sets of times, oncall
// has calendars.
//
// # How a plan comes about
//
// An alert that fires belongs to a group for each route that takes it. A group has a
// thread of messages for each receiver, and remembers which episode of which alert each
// receiver was told of. What a receiver is told next is the difference between that and
// what is so now:
//
//   - News that an alert fires is told unless it is silenced, inhibited, acknowledged,
//     or its route is muted; then it is told when that ends, if the alert still fires.
//   - That an alert is over is told to whoever was told that it fires, and to nobody
//     else, also while it is silenced or acknowledged: an incident that was opened is
//     closed. An alert that begins and ends between two messages is not told at all, as
//     with Alertmanager.
//   - An alert that fires again is news, also if its end was not told yet.
//   - An alert that is held is told as it was before: being held is no news, and it is
//     not repeated meanwhile.
//   - An acknowledged alert is neither repeated nor escalated. If the acknowledgement
//     is sticky, later episodes are not told, either, until it ends.
//   - A muted route tells nothing at all, ends included, until the mute time is over.
//
// Steps of an escalation count from when an alert began to fire and was not hidden.
// Who comes on call while an alert fires that nobody acknowledged is told of it.
//
// All that a plan depends on is given by [Planner.Restore], so that a process that
// takes over plans the same: what was told lies in the documents of alert.Group, one a
// group and one a receiver, and the ids of notifications are made of the group's key,
// the receiver and a number kept there.
package notify
