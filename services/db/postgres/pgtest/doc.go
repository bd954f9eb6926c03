// Package pgtest starts throwaway PostgreSQL servers on loopback.
//
// A test asks [DSN] for an empty database; the server behind it is started by the
// first that asks and stopped by [Main]. What ends servers, freezes or promotes
// them uses [StartCluster], which needs no test: each of its methods is a plain
// call that returns an error.
//
// Servers run as the user postgres if the process is root, as PostgreSQL refuses
// root, else as the current user. They end with the process that started them,
// also when it is killed, for which Linux is needed. Their locale sorts by language
// and their time zone is far from UTC, so that what depends on either shows.
package pgtest
