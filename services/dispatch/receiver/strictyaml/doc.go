// Package strictyaml reads a YAML file into a struct and says of every mistake where it
// is: file, line, column and field. A key that the struct does not have is a mistake, as
// is one that is there twice, a value of another type, and anchors, aliases and tags.
//
// A field is named by its `yaml` tag, one with "-" is left out. Types may be strings,
// booleans, integers, floats, durations, slices, maps with string keys, structs,
// pointers to structs, and whatever is an encoding.TextUnmarshaler or a [NodeDecoder].
//
// Start reading at [Decode].
package strictyaml
