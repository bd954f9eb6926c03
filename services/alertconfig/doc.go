// Package alertconfig reads what alerting is configured with: a directory of files with
// rules, routes and receivers, and the catalogue of rules that comes with the platform.
//
// [Read] makes one whole of the files or says everything that is wrong with them, with
// file, line and field. [Directory] does so again whenever a file has changed; what is
// wrong then changes nothing, and the last good state stays in force.
//
// Start reading at [Read]. Nothing here knows where the files come from but
// [Directory].
package alertconfig
