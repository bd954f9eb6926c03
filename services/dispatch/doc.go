// Package dispatch delivers notifications. Start reading at [Dispatch].
//
// Notifications are committed to an outbox together with the states they tell of. The
// publisher (publish.go) hands them to the queue; workers (work.go) take them from
// there, ask the outbox whether they are to be delivered now, send them (send.go), note
// the attempt in the outbox, and only then answer the queue.
//
// # What is promised
//
// Nothing is lost: a notification leaves the outbox's waiting ones only when a receiver
// took it, or when it was given up, which is noted with the reason. The queue may lose
// or double messages; the outbox decides. What waits in the outbox and was not seen in
// the queue for long is handed to it again (sweep.go).
//
// Nothing is delivered twice, but for one case: a process that ends, or a receiver that
// gives no answer in time, between the receiver's taking a message and the note of it.
// The message is then sent again, with the same ID, by which a receiver can tell.
// Two workers that get the same notification are kept apart by a list in the process
// and by claims in the outbox between processes. A claim outlasts the time an attempt
// may take, so after the death of a process what it was sending waits that long.
//
// Notifications of the same receiver and order are delivered one after the other. One
// that waits to be tried again holds up the later ones of its order, also where these
// would tell the newer state: a receiver that shows them as one incident needs them in
// their order. It holds up nothing else. Those that wait for an earlier one are put back
// into the queue, and remembered, so that they follow at once when it is finished
// (lines.go).
//
// # What keeps receivers apart
//
// Every receiver has a gate (gate.go): how many messages are on their way to it, how
// many a minute it takes, and a circuit breaker that opens when it fails again and
// again. A message that may not pass goes back to the queue; that is no attempt.
// Receivers that fail get at most half of the workers. Limits hold in each process of
// its own.
package dispatch
