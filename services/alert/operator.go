package alert

// Silence hides alerts for a time.
type Silence struct {
	ID         string      `json:"id"`
	Matchers   Matchers    `json:"matchers"`
	Start      int64       `json:"start"`
	End        int64       `json:"end"`
	Recurrence *Recurrence `json:"recurrence,omitempty"` // nil: all the time between Start and End
	Author     string      `json:"author"`
	Comment    string      `json:"comment"`
	Updated    int64       `json:"updated"`
}

// Recurrence is when, again and again.
type Recurrence struct {
	Cron     string `json:"cron"` // five fields: when a window opens
	Minutes  int64  `json:"minutes"`
	TimeZone string `json:"time_zone,omitempty"` // UTC if empty
}

// Ack says who deals with an alert.
type Ack struct {
	Key     Key    `json:"key"`
	Author  string `json:"author"`
	Comment string `json:"comment"`
	Created int64  `json:"created"`
	Expires int64  `json:"expires,omitempty"` // 0: never
	Sticky  bool   `json:"sticky,omitempty"`  // stays when the alert resolves and fires again
	Fired   int64  `json:"fired"`             // the episode it was made in; one that is not sticky counts for that only
}

// Override puts somebody on call for a time.
type Override struct {
	ID       string `json:"id"`
	Calendar string `json:"calendar"`
	Person   string `json:"person"`
	Start    int64  `json:"start"`
	End      int64  `json:"end"`
	Author   string `json:"author"`
}

// Operator is what people have set, as a whole.
type Operator struct {
	Silences  []Silence // those that are not over, and those that ended lately
	Acks      []Ack
	Overrides []Override
}

// Problem is something wrong with a file of the configuration.
type Problem struct {
	File         string
	Line, Column int    // from 1; 0 if not known
	Field        string // groups[0].rules[2].for
	Message      string // what is wrong and what would be right
}

// Error returns file, line, field and message.
func (p Problem) Error() string {
	text := p.File
	if p.Line > 0 {
		text += ":" + itoa(p.Line)
		if p.Column > 0 {
			text += ":" + itoa(p.Column)
		}
	}
	if text != "" {
		text += ": "
	}
	if p.Field != "" {
		text += p.Field + ": "
	}
	return text + p.Message
}
