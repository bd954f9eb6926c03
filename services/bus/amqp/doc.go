// Package amqp is what moves data on RabbitMQ: the ingest log, streams over AMQP 0.9.1,
// one a partition, and the queue of notifications, quorum queues. It implements bus.Log
// and bus.Queue for platforms of several processes. It works with RabbitMQ 3.10 and
// later. Start reading at [Open] and [OpenQueue]; package amqptest runs brokers to try
// it on.
//
// # Streams
//
// With one partition, number 0, the stream is metrics.ingest. With more, they are
// numbers 1, 2 and so on, and the streams metrics.ingest-0, metrics.ingest-1 and
// so on. So when their number changes no stream changes its meaning: older ones are
// found at the start, read to their end, and published to no more. RabbitMQ keeps
// the last file of each; an operator deletes the streams when storage has read
// them. Streams are made when they are not there and never deleted; one that was
// declared otherwise is refused (topology.go).
//
// The log ID is random, made with the stream, and written as its first message, a
// header without a record at the stream's offset 0. So offsets of records begin
// with 1 and are the stream's own. Each record carries the ID, too: the header is
// dropped with the oldest file. Where several make a stream at the same moment, the
// header that stands first counts. Offsets grow by one, but for headers, messages
// of strangers, and one number a file (segment), which the broker uses for itself.
//
// # What is promised
//
// A record is confirmed when a majority of the stream's replicas has it, in memory
// at least: RabbitMQ does not sync to the disk before it confirms. Nothing
// confirmed is lost while a majority of three replicas keeps power; one broker
// alone loses its newest records to a power cut and everything with its disk, which
// [Log.Warnings] says. Records are published with mandatory set, so one that finds
// no stream is an error; one published at the very moment its stream is deleted may
// be confirmed and be lost with the stream. That a stream was made anew is seen by
// its ID.
//
// A call whose connection breaks fails, and its record may be in the stream. What
// is under way is bounded by a window; a broker that stops where it stands is given
// up by heartbeats and by deadlines on writes. Publishing and reading have a
// connection each, because a broker that lacks disk or memory reads nothing more
// from a connection that publishes. The library's automatic recovery is not used: it
// would start readers over. Readers subscribe again by hand, from the next offset
// they want, and compare the ID (reader.go).
//
// # Why it is full before the broker drops anything
//
// RabbitMQ drops the oldest file of a stream that has reached its limit of bytes or
// age, read or not, and says nothing. So publishing stops before: when what storage
// has not stored yet reaches 70 % of either limit, Publish returns bus.ErrFull, and
// agents keep their samples. The rest of the limit is for files that are dropped
// whole, for what several publishers send between two measurements, and for the
// error of the estimate, which backlog.go explains. Measured is against the stored
// position, not the one read: only what is in the database may go. While that
// position cannot be read, the last one holds and the backlog grows against it; if
// none is known, everything in the stream counts.
//
// # What a broker shows
//
// A reader, and a look at a stream's end (probe.go), see the replica of the broker
// they are connected to. One that was down shows less than there is until it has
// caught up. So what this process, or storage, knows to be there counts as there for
// bus.catch_up_timeout, and only then as lost.
//
// # Versions of RabbitMQ
//
// 3.10 sends a reader whole chunks, so one may get a chunk more than its prefetch;
// later versions stop in the middle. 4.0 takes messages up to 16 MiB unless
// max_message_size says otherwise, earlier ones 128 MiB; records are far smaller.
// All versions serve readers only from a replica of their own: with more brokers
// than bus.replicas, those without one are left for the next in bus.url. All log an
// error for each number a starting process looks for in vain (older partitions); a
// process with Deps.PublishOnly looks for none.
//
// # The queue of notifications
//
// Messages are put into the quorum queue alerts.dispatch, with mandatory set, and
// confirmed when a majority of its members has them on the disk; bus.replicas says how
// many members it is made with. (A queue that was made while fewer brokers ran has fewer:
// rabbitmq-queues grow adds them, and AMQP does not tell.) Workers get them one by one;
// no more are in a process than it has workers, and a process whose workers want none
// gives them back (queueconsume.go). What a worker does with a message happens in two
// steps: it is put where it goes next, and confirmed there, and then acknowledged. A
// crash in between has it in both places. The broker does not confirm an
// acknowledgement: one that is lost with the connection has the message come again.
//
// A message that is tried again waits in alerts.dispatch.retry-1s, -5s, -15s and so on,
// quorum queues whose messages expire after that time and then are moved back by the
// broker. It waits in the first that is long enough; for longer than the longest it goes
// round (queueletter.go). What is given up goes to alerts.dispatch.dead, with the reason;
// so does what the broker itself gives up, and what strangers wrote. The broker moves
// messages at least once: it keeps them until the other queue has confirmed them, for
// which the source must refuse what is too much (x-overflow: reject-publish). The oldest
// of more than 100,000 dead are dropped.
//
// The queues are made when they are not there, also while everything runs, and never
// changed or deleted; one that was declared otherwise is refused, and the error says what
// to do (queuetopology.go).
//
// Versions differ in these points. Moving at least once and expiry in quorum queues came
// with 3.10. From 4.0 on a quorum queue buries what was handed out 20 times, unless
// x-delivery-limit says otherwise; it is set, to more than ever happens, because -1 for
// never is refused by 3.x. x-queue-leader-locator is left at its default: the arguments
// must be equal for all who declare, and one queue has nothing to balance. Where in its
// queue a message stands that was given back is not the same in all of them, so Dead
// sorts what it looked at. Where a broker starts while no other runs, 3.x looks for the exchange of the delay
// queues before it is there, says so once in its log, and tries again after three
// minutes; what waited comes so much later then. In advanced.config,
// {rabbit, [{dead_letter_worker_publisher_confirm_timeout, 10000}]} makes that ten
// seconds. All versions give back what a worker keeps for longer than consumer_timeout,
// half an hour.
package amqp
