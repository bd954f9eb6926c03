// Package dbcopy moves all that one database of the platform keeps into another:
// an installation of one process to PostgreSQL, say.
//
// [Drain] first stores what the ingest log has acknowledged and nobody has stored.
// [Copy] then writes everything into the target, in steps that can be interrupted
// anywhere and begun again:
//
//   - claim.go: the target must be empty, or hold a part of this very copy. Its
//     stored position says so: until the copy is complete, that is of a log by the
//     name of the copy, and moves with each step. So whoever else stores anything in
//     the target ends the copy, and not the other way round.
//   - registry.go: tokens and agents.
//   - alerts.go: what people set, alerts, their history, and the outbox.
//   - block.go: definitions, then the chunks block by block, merged ones and those of
//     cuts apart and under their numbers, so that queries give the same to the bit.
//   - verify.go: all is read back and compared with what was read.
//   - At last the position is set: the number of the last cut, of no log. Storage
//     goes on from there with the first record of whatever log there is.
//     The lineage of cuts begins anew with that one.
//
// Not copied are leases, who evaluates the rules, and the tokens of nodes: they belong
// to processes. Nor is the queue of notifications, as the target may have another one:
// those that wait are handed to it anew.
package dbcopy
