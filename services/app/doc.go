// Package app puts the platform's parts together: it is the only package that
// knows all of them. Plain code makes them in order, each from those before it, and
// [App.Run] runs them in that order and stops them in reverse, so that what a part
// needs is there as long as it runs.
//
// Start reading at [Build].
package app
