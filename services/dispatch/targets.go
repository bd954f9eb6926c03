package dispatch

import "github.com/esolutions/esmon/services/dispatch/receiver"

// Targets returns the receivers of a configuration as dispatch needs them.
func Targets(set *receiver.Set) map[string]Target {
	out := map[string]Target{}
	for _, info := range set.List() {
		r, _ := set.Get(info.Name) // it was listed
		out[info.Name] = Target{Kind: info.Kind, Receiver: r, Timeout: info.Timeout, Messages: info.Rate.Messages, Per: info.Rate.Per}
	}
	return out
}
