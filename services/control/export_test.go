package control

// NextCounter is the decision about a connect counter alone: the tests try it
// with more cases than a registry could be brought into.
var NextCounter = nextCounter

// Bounds that tests reach.
const (
	MaxCounter   = maxCounter
	LimiterKeys  = limiterKeys
	ConnectBurst = connectBurst
	ConnectPause = connectPause
	RenewBurst   = renewBurst
	RenewPause   = renewPause
	SweepEvery   = sweepEvery
	SaveMost     = saveMost
	FlushMost    = flushMost
	PollEvery    = pollEvery
	RescanEvery  = rescanEvery
	NodeTTL      = nodeTTL
	NodeMisses   = nodeMisses
)
