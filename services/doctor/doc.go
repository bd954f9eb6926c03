// Package doctor follows data hop by hop and says where it is stuck.
//
// The hops are those of the way of a frame: a probe reads it, the agent's spool
// keeps it, the stream takes it to a collector, the ingest log makes it durable,
// storage stores it, and a query returns it. [Doctor.DiagnoseAgent] looks at one
// agent's data, [Doctor.DiagnosePlatform] at what is the platform's.
//
// It only asks what others know: the registry of agents, the status of the
// platform's processes, and the series that the agent reports on itself. Those
// come the same way as everything else, so an agent that is silent says nothing of
// its spool either: such a hop is unknown, with the reason, and never guessed.
//
// Begin with doctor.go, then one file for each hop.
package doctor
