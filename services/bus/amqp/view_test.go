package amqp

import "testing"

// TestViewOfAStreamMadeAnew checks that a record of a publisher that was faster than
// the header neither gives the stream its ID nor is left out.
func TestViewOfAStreamMadeAnew(t *testing.T) {
	t.Parallel()
	messages := []seen{{offset: 0, logID: "old", record: true}, {offset: 1, logID: "new", header: true}, {offset: 2, logID: "new", record: true}}
	if v, ok := viewOf(messages, messages); !ok || v.id != "new" || v.first != 0 || v.next != 3 {
		t.Errorf("got %+v, %t", v, ok)
	}
	ordinary := []seen{{offset: 0, logID: "new", header: true}, {offset: 1, logID: "new", record: true}}
	if v, ok := viewOf(ordinary, ordinary); !ok || v.id != "new" || v.first != 1 || v.next != 2 {
		t.Errorf("ordinary: got %+v, %t", v, ok)
	}
	truncated := []seen{{offset: 700, logID: "new", record: true}, {offset: 701, logID: "other", header: true}}
	if v, ok := viewOf(truncated, truncated); !ok || v.id != "new" || v.first != 700 {
		t.Errorf("truncated: got %+v, %t", v, ok)
	}
}
