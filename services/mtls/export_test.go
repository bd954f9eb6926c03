package mtls

import "slices"

// SetProcessSuites replaces the process' list of TLS 1.3 suites, for processes
// that play a foreign peer.
func SetProcessSuites(suites ...uint16) {
	preferOnce.Do(func() {}) // nothing reorders them any more
	suitesTLS13, suitesTLS13NoAES = slices.Clone(suites), slices.Clone(suites)
}

// ProcessSuites returns the process' lists.
func ProcessSuites() (aes, noAES []uint16) {
	return slices.Clone(suitesTLS13), slices.Clone(suitesTLS13NoAES)
}
