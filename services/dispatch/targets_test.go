package dispatch_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/dispatch"
	"github.com/esolutions/esmon/services/dispatch/receiver"
)

func TestTargets(t *testing.T) {
	t.Parallel()
	cfg, problems := receiver.Parse("receivers.yaml", []byte(`
receivers:
  - name: hook
    webhook: {url: "http://127.0.0.1:1/"}
    timeout: 3s
    rate: 30/1m
`), receiver.Options{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	set, err := receiver.New(cfg, receiver.Deps{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	got := dispatch.Targets(set)
	hook := got["hook"]
	if len(got) != 1 || hook.Kind != "webhook" || hook.Receiver == nil || hook.Timeout != 3*time.Second || hook.Messages != 30 || hook.Per != time.Minute {
		t.Errorf("got %+v", got)
	}
}
