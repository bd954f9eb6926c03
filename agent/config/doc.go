// Package config is the agent's configuration: defaults, then a YAML file, then
// the environment, then flags; then it is checked. Every mistake is reported, not
// only the first, with the place it was made.
//
// settings.go declares each setting once: its key, its documentation, where its
// value goes. The environment variable of spool.max_bytes is
// ESMON_AGENT_SPOOL_MAX_BYTES. Start reading there; [Load] does the rest.
package config
