// Package sink receives notifications as a receiver's server would, and keeps a ledger
// of what came.
package sink

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// Message is a notification that came, in the form of the generic webhook.
type Message struct {
	Key      string    // of idempotency
	Received time.Time // when it came
	Bytes    int
	Status   string            `json:"status"`
	Labels   map[string]string `json:"groupLabels"`
	Alerts   []Alert           `json:"alerts"`
	Esmon    struct {
		Kind  string   `json:"kind"`
		Hosts []string `json:"hosts"`
	} `json:"esmon"`
}

// Alert is an alert in a message.
type Alert struct {
	Status   string            `json:"status"`
	Labels   map[string]string `json:"labels"`
	StartsAt time.Time         `json:"startsAt"`
	EndsAt   time.Time         `json:"endsAt"`
}

// Webhook is an HTTP server that takes notifications.
type Webhook struct {
	listener net.Listener
	server   *http.Server

	// Answer, if set, decides about each request, before it is noted: a status that is
	// not 2xx refuses it.
	Answer func(m *Message) int

	mu       sync.Mutex // guards messages
	messages []Message
}

// maxBody bounds a notification.
const maxBody = 16 << 20

// NewWebhook listens on a free port of loopback.
func NewWebhook() (*Webhook, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for notifications: %w", err)
	}
	w := &Webhook{listener: l}
	w.server = &http.Server{Handler: w, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = w.server.Serve(l) }() // until it is closed
	return w, nil
}

// URL returns where it listens.
func (w *Webhook) URL() string { return "http://" + w.listener.Addr().String() + "/" }

// Close ends it.
func (w *Webhook) Close() { _ = w.server.Close() }

// ServeHTTP implements http.Handler.
func (w *Webhook) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(out, r.Body, maxBody))
	m := Message{Key: r.Header.Get("Idempotency-Key"), Received: time.Now(), Bytes: len(body)}
	if err == nil {
		err = json.Unmarshal(body, &m)
	}
	if err != nil {
		http.Error(out, err.Error(), http.StatusBadRequest)
		return
	}
	if w.Answer != nil {
		if code := w.Answer(&m); code/100 != 2 {
			out.WriteHeader(code)
			return
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.messages = append(w.messages, m)
}

// Messages returns what came so far, in the order in which it came.
func (w *Webhook) Messages() []Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]Message(nil), w.messages...)
}
