// Package ruletest runs unit tests of rules: files in the form that promtool test
// rules reads, unchanged and with the same verdict. The rules are evaluated by
// package eval, as they are in operation.
//
// Start reading at [Run]. file.go is the form of the files, suite.go runs one test
// over series in memory, compare.go says what was expected and what came.
//
// Native histograms may be in the series of a test and in what is expected, as in
// promtool, though the platform itself stores none.
package ruletest
