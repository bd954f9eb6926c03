// Package settings fills a configuration struct from its defaults, a YAML file,
// the environment and flags, in that order, and reports every mistake at once
// with the place it was made.
//
// The struct is the only declaration: a field is a setting, a nested struct is a
// section, and the field's comment is its documentation. Names follow from the
// field's `yaml` tag, or from the field's own name in snake_case; the environment
// variable of http.max_connections is ESMON_HTTP_MAX_CONNECTIONS. Fields tagged
// `yaml:"-"`, and functions, pointers and interfaces, are no settings; those of a
// struct tagged `yaml:",inline"` belong to the section around it.
//
// A struct with a method Validate() error checks itself once all values are in.
// It returns what is wrong as "key: what, and what would be right", several of
// them through errors.Join.
//
// Start reading at [Set].
package settings
