// Package hostlist writes many host names in little space and loses none: web001,
// web002 … web250 become web[001-250], as cluster tools write node sets.
//
// A host list is terms separated by commas. A term is a name in which each number may
// be a set in brackets, [1-3,7], and stands for every combination. A number with
// leading zeros keeps its width. A name with characters that would be taken for these,
// or that cannot be seen, is a term of its own in double quotes, as Go quotes strings.
//
// Start reading at [Fold].
package hostlist
