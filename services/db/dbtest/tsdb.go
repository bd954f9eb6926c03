package dbtest

import (
	"testing"

	"github.com/esolutions/esmon/services/tsdb"
)

// TSDB is a database of a test's own, empty at first. The test's end closes it.
type TSDB struct {
	// Open opens the store; after Close, with what was stored before.
	Open func() tsdb.Store
	// Close closes the store.
	Close func()
}

// RunTSDB checks that a database keeps time series as tsdb.Store says.
func RunTSDB(t *testing.T, open func(t *testing.T) TSDB) {
	tests := []struct {
		name string
		run  func(*tsdbTest)
	}{
		{"Empty", testEmpty},
		{"CommitAndLoad", testCommitAndLoad},
		{"LoadIsOneSnapshot", testLoadIsOneSnapshot},
		{"Progress", testProgress},
		{"ProgressIsOneSnapshot", testProgressIsOneSnapshot},
		{"CutWithoutChunks", testCutWithoutChunks},
		{"TimesBefore1970", testTimesBefore1970},
		{"Conflict", testConflict},
		{"RacingCommits", testRacingCommits},
		{"Lineage", testLineage},
		{"LineageEnds", testLineageEnds},
		{"LineageBegins", testLineageBegins},
		{"LineageOfACopy", testLineageOfACopy},
		{"Requires", testRequires},
		{"SeenMovesUp", testSeenMovesUp},
		{"PairsAreReplaced", testPairsAreReplaced},
		{"CancelledCommit", testCancelledCommit},
		{"LargeCut", testLargeCut},
		{"Rejected", testRejected},
		{"ReadRandomly", testReadRandomly},
		{"ReadNothing", testReadNothing},
		{"ReadBeforeCut", testReadBeforeCut},
		{"ReadError", testReadError},
		{"ReadDataIsTheCallers", testReadData},
		{"SnapshotOfACommit", testSnapshotOfACommit},
		{"SnapshotOfAMerge", testSnapshotOfAMerge},
		{"SnapshotOfADrop", testSnapshotOfADrop},
		{"SnapshotConcurrently", testSnapshotConcurrently},
		{"SnapshotEndsWithItsContext", testSnapshotContext},
		{"MergeOrder", testMergeOrder},
		{"MergeCommit", testMergeCommit},
		{"MergeAgain", testMergeAgain},
		{"MergeManyWrites", testMergeManyWrites},
		{"MergeBesideCuts", testMergeBesideCuts},
		{"MergeAborted", testMergeAborted},
		{"MergeInterrupted", testMergeInterrupted},
		{"MergeOfADroppedBlock", testMergeOfADroppedBlock},
		{"MergeRefusesDisorder", testMergeRefusesDisorder},
		{"Export", testExport},
		{"ExportError", testExportError},
		{"ExportRebuilt", testExportRebuilt},
		{"Drop", testDrop},
		{"DropAfterMerge", testDropAfterMerge},
		{"Sweep", testSweep},
		{"Forget", testForget},
		{"Reclaim", testReclaim},
		{"Reopen", testReopen},
		{"Closed", testClosed},
		{"Cancelled", testTSDBCancelled},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			db := open(t)
			test.run(&tsdbTest{T: t, db: db, store: db.Open(), at: map[int]tsdb.Position{}})
		})
	}
}
