// Package index knows every definition: which entities and schemas there are,
// which of them occur together, and which match a selector. It grows with things
// and shapes, not with series: a label matches by its column's value, else by
// the entity's, else as "".
//
// Start reading at [Index] and [Pair], then select.go and candidates.go. What is stored of the
// definitions, and when they are forgotten, is in changes.go and collect.go.
package index
