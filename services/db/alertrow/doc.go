// Package alertrow is what both databases have in common of how they keep alerts: the
// rows that a change becomes, the documents in them, and the statements that are the
// same in both.
//
// Start reading at [Encode], which makes the rows of a commit. text.go says which text
// is refused, page.go has the statements that read pages, and table.go the tables as
// they are copied from one database to another.
package alertrow
