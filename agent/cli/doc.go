// Package cli is the agent's command line. [Main] runs one command; each command
// has a file of its own.
package cli
