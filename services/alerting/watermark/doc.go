// Package watermark knows how complete the data is that rules are evaluated on: up to
// when everything that was published to the ingest log was read here, by ticks that
// come back, and up to when the data of each agent is complete, by what its batches say.
//
// Start reading at [Tracker]. It is told of every record once queries see it, and is
// asked by the evaluation.
package watermark
