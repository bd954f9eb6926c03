// Package e2e runs the built binaries as their users do and does to them what
// the world does: it kills them, cuts them off, gives them wrong input. It holds
// only tests; harness_test.go starts the programs, each other file is one
// promise of the platform.
//
// The binaries come from ESMON_BIN and ESMON_AGENT_BIN, which `make test-e2e`
// sets.
package e2e
