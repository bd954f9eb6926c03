package route

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
)

const (
	// statusClientClosed is what a node answers when it gave up a query: its caller
	// went away, or it stops.
	statusClientClosed = 499
	// answerKept is how much of an answer is gathered before any of it is passed on:
	// so long another node can answer in place of one that dies.
	answerKept = 1 << 20
)

// transport sends requests to storage nodes, with the host left open.
type transport struct{ s *Storage }

// RoundTrip implements [http.RoundTripper].
func (x transport) RoundTrip(r *http.Request) (*http.Response, error) {
	t := x.s.newTrip(r.Context(), "http", true)
	var answer *http.Response
	err := t.run(func(ctx context.Context, a *attempt) (verdict, error) {
		var sent atomic.Bool
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }})
		resp, err := x.try(ctx, a, r) //nolint:bodyclose // it becomes the answer
		switch {
		case err == nil:
			x.s.note(t.session, resp.Header.Values(headerPosition)...)
			resp.Header.Del(headerPosition)
			answer = resp
			return answered, nil
		case t.ctx.Err() != nil:
			return answered, t.ctx.Err()
		case sent.Load():
			return lost, err
		}
		return unsent, err
	})
	return answer, err
}

var errGaveUp = errors.New("the node gave the request up")

// try makes one attempt. The answer's body ends the attempt when it is closed.
func (x transport) try(ctx context.Context, a *attempt, r *http.Request) (*http.Response, error) {
	out := r.Clone(ctx)
	out.URL.Host, out.Host = a.node.address, ""
	if out.ContentLength > 0 {
		body, err := r.GetBody()
		if err != nil {
			a.end()
			return nil, fmt.Errorf("read the request's body again: %w", err)
		}
		out.Body = body
	}
	if a.minimum != "" {
		out.Header.Set(headerMinimum, a.minimum)
	}
	resp, err := x.s.deps.HTTP.RoundTrip(out)
	if err != nil {
		a.end()
		return nil, err
	}
	if err := gather(resp); err != nil {
		_ = resp.Body.Close() // it failed already
		a.end()
		return nil, err
	}
	a.cut()
	resp.Body = &answerBody{ReadCloser: resp.Body, end: sync.OnceFunc(a.end)}
	return resp, nil
}

// gather reads the beginning of an answer.
func gather(resp *http.Response) error {
	if resp.StatusCode == statusClientClosed {
		return errGaveUp // and the caller still waits
	}
	var begin bytes.Buffer
	if _, err := io.CopyN(&begin, resp.Body, answerKept); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	rest := resp.Body
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(&begin, rest), rest}
	return nil
}

// answerBody ends its attempt when it is closed.
type answerBody struct {
	io.ReadCloser
	end func()
}

// Close closes the body.
func (b *answerBody) Close() error {
	err := b.ReadCloser.Close()
	b.end()
	return err
}
