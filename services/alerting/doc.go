// Package alerting is the alerting target: it evaluates rules on the data's own time
// and decides, with package notify, who is told what.
//
// Start reading at [Alerting] and its Run. One process of several leads (leader.go):
// it keeps all state in memory as the database has it, and changes both together, in
// one commit a round (commit.go). Whenever a commit fails, the memory is thrown away
// and read again, so that what is in memory is never ahead of what is kept.
//
// A group is evaluated at T, a multiple of its interval, once a tick of T and the
// grace period came back from the ingest log ([Data], job.go): then all that was
// there at T has been read. Rules on one host or target are decided for each agent as
// soon as its own data is complete up to T; an agent that is behind leaves the others
// alone and is caught up later, from where it stood (group.go, catchup.go). Rules over
// many agents wait for those that live, for a while. What cannot be decided is held
// (hold.go): it neither fires nor resolves.
//
// What comes after it was decided waits in a list that is stored, too (latedata.go).
// The history is corrected by it when there is nothing new to do (correct.go): rules are
// evaluated anew over that time, and what differs from the stored episodes replaces them
// (replay.go).
package alerting
