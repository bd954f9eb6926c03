// Package dbtest says what a correct store is: one suite a domain, which every
// database runs. A database's own test is the few lines that call it.
package dbtest
