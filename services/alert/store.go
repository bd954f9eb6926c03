package alert

import (
	"context"
	"errors"
)

// Errors that a Store returns, wrapped or not. Every other error means that the
// database failed; a change may then have taken place or not.
var (
	ErrNotFound = errors.New("not found")
	// ErrFenced says that another process leads: nothing was changed.
	ErrFenced = errors.New("another process evaluates the rules")
	// ErrWait says that an earlier notification of the same order is not finished.
	ErrWait = errors.New("an earlier notification must be delivered first")
	// ErrFinished says that the notification is delivered or was given up.
	ErrFinished = errors.New("the notification is finished")
)

// Snapshot is all that a process needs to go on evaluating and telling.
type Snapshot struct {
	Progress []Progress
	Late     []Late
	LateData []LateData // by Seq
	Alerts   []Alert    // all that are kept, resolved ones, too
	Groups   []Group
	Operator Operator
	Version  int64 // of Operator; see OperatorStore
}

// Progress is how far a rule group was evaluated.
type Progress struct {
	Group     string // its id
	Evaluated int64  // the newest time it was evaluated at
}

// Late is an agent whose data was not there when a group was evaluated: for it, the
// group stands at Evaluated.
type Late struct {
	Group     string
	Agent     string
	Evaluated int64
}

// LateData is data that came after rules were evaluated without it, and by which their
// history is still to be corrected: that of Agent, or of whoever it be if that is empty,
// from From to To, for the rule group Group, or all if that is empty.
type LateData struct {
	Seq          int64 // its place; above 0, and given by who commits
	Group, Agent string
	From, To     int64 // both included
}

// Group is a notification group as it was told last. The document is the planner's.
type Group struct {
	Key string
	Doc []byte // nil deletes it in a Commit
}

// Commit is what changes at once: the states of alerts and what people are told about
// it, never one without the other.
type Commit struct {
	Progress []Progress
	Gone     []string    // rule groups whose Progress is deleted, before Progress is stored
	Late     []Late      // stored or replaced
	Caught   []Late      // deleted: the agent is level with the group again
	WorkedIn int64       // late data up to this Seq is deleted, before LateData is stored
	LateData []LateData  // stored or replaced, by Seq
	Alerts   []Alert     // stored or replaced
	Forget   []Key       // alerts that are not kept any more
	Episodes []Episode   // stored or replaced, by Key and Fired
	Unmade   []EpisodeID // episodes that late data shows never to have been
	Events   []Event
	Groups   []Group
	Notify   []Notification
	// Acks that ended with their episode are deleted.
	EndedAcks []Key
}

// Empty tells whether nothing changes.
func (c *Commit) Empty() bool {
	return len(c.Progress)+len(c.Gone)+len(c.Late)+len(c.Caught)+len(c.LateData)+len(c.Alerts)+len(c.Forget)+
		len(c.Episodes)+len(c.Unmade)+len(c.Events)+len(c.Groups)+len(c.Notify)+len(c.EndedAcks) == 0 && c.WorkedIn == 0
}

// StateStore keeps the state of evaluation and of who was told what. One process at a
// time changes it: the one that called Lead last.
type StateStore interface {
	// Lead makes the caller the one that may commit and returns its epoch, which is
	// higher than any before, and all state as of then. Whoever led before gets
	// ErrFenced from now on.
	Lead(ctx context.Context, holder string) (epoch int64, s Snapshot, err error)
	// Commit changes all of it or nothing. ErrFenced if the epoch is not that of the
	// last Lead. Committing the same again after an error that left it open changes
	// nothing more: events and notifications have their identity (a notification its
	// ID; an event Key, Time and Kind).
	Commit(ctx context.Context, epoch int64, c *Commit) error
	// State returns all state without leading, for those who answer questions.
	State(ctx context.Context) (Snapshot, error)
}

// OperatorStore keeps what people set. Each change makes Version grow, in the same
// transaction.
type OperatorStore interface {
	// Version returns a number that grows with each change of silences,
	// acknowledgements and overrides, and with each commit of external alerts.
	Version(ctx context.Context) (int64, error)
	// Operator returns all of it and the version it is of.
	Operator(ctx context.Context) (Operator, int64, error)
	// PutSilence stores or replaces a silence.
	PutSilence(ctx context.Context, s Silence) error
	// Silence returns one, or ErrNotFound.
	Silence(ctx context.Context, id string) (Silence, error)
	// PurgeSilences deletes those that ended before the time.
	PurgeSilences(ctx context.Context, before int64) error
	// PutAcks stores or replaces acknowledgements and their events.
	PutAcks(ctx context.Context, acks []Ack, events []Event) error
	// DeleteAcks deletes acknowledgements and stores events; those not there are ignored.
	DeleteAcks(ctx context.Context, keys []Key, events []Event) error
	// PutOverride stores or replaces an override, DeleteOverride deletes it or returns
	// ErrNotFound; those that ended before the time may be purged with PurgeOverrides.
	PutOverride(ctx context.Context, o Override) error
	DeleteOverride(ctx context.Context, calendar, id string) error
	PurgeOverrides(ctx context.Context, before int64) error
	// PutExternal stores alerts that were sent from outside, for the leader to take up:
	// it sees that Version has grown. They wait, by Key, until TakeExternal.
	PutExternal(ctx context.Context, alerts []Alert) error
	// External returns up to limit alerts that wait, oldest first, and a token of each
	// for DoneExternal; one that was put again meanwhile stays.
	External(ctx context.Context, limit int) ([]ExternalAlert, error)
	// DoneExternal deletes those that the leader has committed.
	DoneExternal(ctx context.Context, tokens []int64) error
}

// ExternalAlert is an alert from outside that waits to be taken up.
type ExternalAlert struct {
	Token int64
	Alert Alert
}

// HistoryStore keeps what was.
type HistoryStore interface {
	// Events returns up to limit events of the alert, newest first.
	Events(ctx context.Context, key Key, limit int) ([]Event, error)
	// Episodes returns a page of episodes by Fired and Key, both descending.
	Episodes(ctx context.Context, page EpisodePage) ([]Episode, error)
	// PurgeHistory deletes up to limit events, finished episodes and finished
	// notifications that are older than the time, each, and tells whether there may be
	// more.
	PurgeHistory(ctx context.Context, before int64, limit int) (more bool, err error)
}

// EpisodePage selects episodes. Matchers are left to the caller.
type EpisodePage struct {
	Key        Key    // only of this alert; empty for all
	RuleID     string // only of this rule; empty for all
	From, To   int64  // only those with From <= Fired < To
	Since      int64  // only those that were not over before this time
	BeforeTime int64  // Fired of the last one of the page before; 0 for the first page
	BeforeKey  Key
	Limit      int
}

// NotificationState is what became of a notification.
type NotificationState string

// What becomes of notifications.
const (
	Waiting    NotificationState = "waiting"
	Delivered  NotificationState = "delivered"
	Dead       NotificationState = "dead"
	Superseded NotificationState = "superseded"
)

// Notification is one message to one receiver, as it is kept.
type Notification struct {
	ID       string // the idempotency key: the planner makes it, and never twice
	Receiver string
	Order    string // those of one receiver and order are delivered one after the other
	Title    string
	Keys     []Key // of the alerts in it; 100 at most
	Alerts   int   // how many there are
	Payload  []byte
	Created  int64

	Seq      int64 // set by the store: grows with each one committed
	State    NotificationState
	Attempts []Attempt // oldest first; the store keeps the last 50
	Tries    int       // how many attempts there were
	Next     int64     // when it is tried next
	Finished int64
}

// Attempt is one attempt to deliver.
type Attempt struct {
	Time      int64  `json:"time"`
	Duration  int64  `json:"duration_ms"`
	Delivered bool   `json:"delivered,omitempty"`
	Message   string `json:"message,omitempty"`
}

// Claim is who delivers a notification, and until when nobody else does. A queue may
// hand the same notification to two workers, such as after its connection broke while
// one of them was busy; the claim keeps it from being delivered twice.
type Claim struct {
	Holder string // a process' own, made when it starts
	Now    int64  // the holder's clock
	Until  int64  // when the attempt is over for sure
}

// NotificationPage selects notifications, newest first.
type NotificationPage struct {
	Receiver string
	State    NotificationState
	Key      Key   // of an alert that is in it; empty for all
	Before   int64 // Seq of the last one of the page before; 0 for the first
	Limit    int
}

// ReceiverCount is how many notifications of a receiver are in a state.
type ReceiverCount struct {
	Receiver      string
	Waiting, Dead int64
	Oldest        int64 // Created of the oldest that waits
	LastDelivered int64
}

// OutboxStore keeps notifications from when they are committed until they are
// delivered, and what became of them.
type OutboxStore interface {
	// Unpublished returns up to limit waiting notifications that were not handed to
	// the queue yet, by Seq.
	Unpublished(ctx context.Context, limit int) ([]Notification, error)
	// Published says that the queue has them.
	Published(ctx context.Context, ids []string) error
	// Begin claims a notification, which is to be delivered now, for the claim's holder,
	// and returns it. ErrFinished if it is finished already, ErrNotFound if there is
	// none, ErrWait if an earlier one of the same receiver and order is not finished, if
	// it is to be tried at a later time than the claim's Now, or if a claim of another
	// holder reaches beyond that. A holder may claim again what it has claimed. All of
	// it is one atomic step: of two that begin at once, one gets ErrWait.
	Begin(ctx context.Context, id string, c Claim) (Notification, error)
	// Finish notes an attempt and what became of the notification: Waiting, to be tried
	// again at next, or one of the other states. It ends the claim, whoever has it. It
	// changes none that is finished.
	Finish(ctx context.Context, id string, a Attempt, state NotificationState, next int64) error
	// Notification returns one, or ErrNotFound.
	Notification(ctx context.Context, id string) (Notification, error)
	// Notifications returns a page.
	Notifications(ctx context.Context, page NotificationPage) ([]Notification, error)
	// Retry makes a dead notification wait again and unpublished, and returns it;
	// ErrNotFound if there is no dead one of that id.
	Retry(ctx context.Context, id string, now int64) (Notification, error)
	// Counts returns how many wait and are dead, by receiver.
	Counts(ctx context.Context) ([]ReceiverCount, error)
}

// Store is all that alerting keeps. Every method may be called from many
// goroutines. Strings are UTF-8 without NUL.
type Store interface {
	StateStore
	OperatorStore
	HistoryStore
	OutboxStore
}
