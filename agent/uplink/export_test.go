package uplink

import "github.com/esolutions/esmon/agent/collectors"

// Preferred returns the collectors as the agent prefers them.
func Preferred(agentID string, list []collectors.Candidate) []collectors.Candidate {
	return preferred(agentID, list)
}
