// Package secret has values of the configuration that nobody is shown: a password, a
// token, a URL that is as good as a password. They stand in the file as text, or the
// file says where they are: {file: PATH} or {env: NAME}.
//
// Start reading at [Value].
package secret
