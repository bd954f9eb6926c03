// Package receivertest has what the tests of all receivers share: messages of every
// kind, hostile ones among them, an HTTP server that answers as it is told, golden
// files, and a suite that every receiver over HTTP passes.
//
// Start reading at [RunHTTP].
package receivertest
