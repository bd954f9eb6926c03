package packaging_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/bus/amqp"
	"github.com/esolutions/esmon/services/bus/amqp/amqptest"
	"github.com/esolutions/esmon/services/settings"
)

// TestRightsAreEnoughAndNoMore has a real broker load the definitions, and the
// platform's own client do with them all that it does.
func TestRightsAreEnoughAndNoMore(t *testing.T) {
	t.Parallel()
	const password = "a password"
	node := amqptest.Run(t, amqptest.Options{}).Nodes[0]
	imported, err := node.Eval(t.Context(), fmt.Sprintf("{ok, Text} = file:read_file(%q), rabbit_definitions:import_raw(Text).", definitionsWith(t, password)))
	if err != nil || imported != "ok" {
		t.Fatalf("the broker does not take the definitions: %s, %v", imported, err)
	}
	want := "[{rabbit, [{dead_letter_worker_publisher_confirm_timeout, 10000}]}]"
	if have, err := node.Eval(t.Context(), fmt.Sprintf("{ok, Tokens, _} = erl_scan:string(%q), {ok, Term} = erl_parse:parse_term(Tokens), Term.", read(t, "rabbitmq/advanced.config"))); err != nil || have != want {
		t.Errorf("the broker reads advanced.config as %s, %v; want %s", have, err, want)
	}
	u := url.URL{Scheme: "amqp", User: url.UserPassword("esmon", password), Host: node.Address(), Path: "/esmon"}

	cfg := amqp.DefaultConfig()
	cfg.URL, cfg.StartTimeout = settings.Secret(u.String()), time.Minute
	log, err := amqp.Open(t.Context(), cfg, amqp.Deps{}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatalf("the platform cannot work with the rights that it is given: %v", err)
	}
	defer log.Close()
	partition := log.Partitions()[0]
	if err := log.Publish(t.Context(), partition, []byte("a record")); err != nil {
		t.Fatal(err)
	}
	bounds, err := log.Bounds(t.Context(), partition)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := log.Read(t.Context(), partition, bounds.First)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if r, err := reader.Next(t.Context()); err != nil || string(r.Payload) != "a record" {
		t.Errorf("read %q, %v", r.Payload, err)
	}

	queueWorks(t, cfg)

	conn, err := amqp091.Dial(u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	refused(t, conn, "declare another queue", func(ch *amqp091.Channel) error {
		_, err := ch.QueueDeclare("orders", true, false, false, false, nil)
		return err
	})
	refused(t, conn, "declare an exchange", func(ch *amqp091.Channel) error {
		return ch.ExchangeDeclare("orders", "fanout", true, false, false, false, nil)
	})
	refused(t, conn, "bind its stream to an exchange of others", func(ch *amqp091.Channel) error {
		return ch.QueueBind("metrics.ingest", "", "amq.fanout", false, nil)
	})
	u.Path = "/"
	if conn, err := amqp091.Dial(u.String()); err == nil {
		t.Error("the user may enter another virtual host")
		_ = conn.Close() // the failure is told
	}
}

// queueWorks has a notification go all the ways that there are: delivered, tried again
// by a delay queue that hands it back, and given up.
func queueWorks(t *testing.T, cfg amqp.Config) {
	t.Helper()
	q, err := amqp.OpenQueue(t.Context(), cfg, 1, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatalf("the queue of notifications cannot be used with the rights that are given: %v", err)
	}
	defer q.Close()
	take := func() bus.Delivery {
		t.Helper()
		d, err := q.Take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	must("put", q.Put(t.Context(), bus.Message{ID: "1", Body: []byte("a notification")}))
	must("try again", take().Retry(t.Context(), time.Second))
	again := take()
	if again.Message().ID != "1" || again.Tries() != 1 {
		t.Errorf("after the delay %q comes, tried %d times before", again.Message().ID, again.Tries())
	}
	must("give up", again.Bury(t.Context(), "refused"))
	must("put", q.Put(t.Context(), bus.Message{ID: "2"}))
	must("finish", take().Done(t.Context()))
	if dead, err := q.Dead(t.Context(), 10); err != nil || len(dead) != 1 || dead[0].Reason != "refused" {
		t.Errorf("the dead are %v, %v", dead, err)
	}
}

func refused(t *testing.T, conn *amqp091.Connection, what string, do func(*amqp091.Channel) error) {
	t.Helper()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	defer ch.Close()
	if err := do(ch); err == nil || !strings.Contains(err.Error(), "ACCESS_REFUSED") {
		t.Errorf("the user may %s, or it failed for another reason: %v", what, err)
	}
}

// definitionsWith writes the definitions with a password, where the broker's user
// can read them.
func definitionsWith(t *testing.T, password string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "esmon-definitions-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // temporary anyway
	salt := make([]byte, 4)
	if _, err := rand.Read(salt); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(append(salt[:4:4], password...))
	text := strings.Replace(read(t, "rabbitmq/definitions.json"), "@HASH@", base64.StdEncoding.EncodeToString(append(salt[:4:4], sum[:]...)), 1)
	file := filepath.Join(dir, "definitions.json")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}
