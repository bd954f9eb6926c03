package email

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/esolutions/esmon/services/dispatch/receiver/outbound"
	"github.com/esolutions/esmon/services/dispatch/receiver/wording"
)

// closer ends connections when the context does: the library asks it while it dials only.
type closer struct {
	mu   sync.Mutex
	ends []func() // guarded by mu
}

func (c *closer) watch(ctx context.Context, conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	c.ends = append(c.ends, func() { stop(); _ = conn.Close() })
}

// stop ends the watch and the connections; the library leaves those open that it cannot
// use.
func (c *closer) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, end := range c.ends {
		end()
	}
}

// client returns the library's client for one mail.
func (r *Receiver) client(ctx context.Context) (*mail.Client, *closer, error) {
	host, port, err := r.config.address()
	if err != nil {
		return nil, nil, outbound.Permanent("%w", err)
	}
	c := &closer{}
	options := []mail.Option{
		mail.WithPort(port), mail.WithTLSConfig(r.tls), mail.WithTimeout(timeout(ctx)), mail.WithoutNoop(),
		mail.WithDialContextFunc(func(dialing context.Context, network, address string) (net.Conn, error) {
			return r.open(ctx, dialing, c, network, address)
		}),
	}
	switch r.config.TLS {
	case Implicit:
		options = append(options, mail.WithSSL())
	case NoTLS:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if r.config.Hello != "" {
		options = append(options, mail.WithHELO(r.config.Hello))
	}
	auth, err := r.auth()
	if err != nil {
		return nil, nil, err
	}
	client, err := mail.NewClient(host, append(options, auth...)...)
	if err != nil {
		return nil, nil, outbound.Permanent("prepare the connection to %s: %w", r.config.Host, err)
	}
	return client, c, nil
}

// timeout returns how long one command may take: a little more than there is time, so
// that it is the context that ends it.
func timeout(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return max(time.Until(deadline), 0) + time.Second
	}
	return time.Minute
}

// open connects, over TLS if that is what the server speaks from the beginning.
func (r *Receiver) open(ctx, dialing context.Context, c *closer, network, address string) (net.Conn, error) {
	conn, err := r.dial(dialing, network, address)
	if err != nil {
		return nil, err //nolint:wrapcheck // judge says what it was
	}
	c.watch(ctx, conn)
	if r.config.TLS != Implicit {
		return conn, nil
	}
	secured := tls.Client(conn, r.tls)
	if err := secured.HandshakeContext(dialing); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return secured, nil
}

func (r *Receiver) auth() ([]mail.Option, error) {
	if r.config.Username == "" || r.config.Auth == NoAuth {
		return nil, nil
	}
	password, err := r.config.Password.Read()
	if err != nil {
		return nil, outbound.Temporary("read the password: %w", err)
	}
	kind := mail.SMTPAuthPlain
	switch r.config.Auth {
	case Login:
		kind = mail.SMTPAuthLogin
	case CramMD5:
		kind = mail.SMTPAuthCramMD5
	case XOAuth2:
		kind = mail.SMTPAuthXOAUTH2
	}
	return []mail.Option{mail.WithSMTPAuth(kind), mail.WithUsername(r.config.Username), mail.WithPassword(password)}, nil
}

// judge makes the receiver's error of the server's or the connection's. Answers of 500
// and more are for good, all others may pass.
func (r *Receiver) judge(ctx context.Context, what string, err error) error {
	if errors.Is(context.Cause(ctx), context.Canceled) {
		return fmt.Errorf("%s: %w", what, context.Canceled)
	}
	if e, ok := errors.AsType[*textproto.Error](err); ok {
		text := wording.Cut(wording.Line(e.Msg), 300)
		out := &outbound.Error{Permanent: e.Code >= 500, Status: strings.TrimSpace(fmt.Sprintf("%d %s", e.Code, text))}
		out.Err = fmt.Errorf("%s: %s refused it%s", what, r.config.Host, advice(e.Code))
		return out
	}
	if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) {
		return outbound.Temporary("%s: %s did not answer in time; raise the receiver's timeout if it is known to be slow", what, r.config.Host)
	}
	return outbound.Temporary("%s: %s: %s", what, r.config.Host, wording.Cut(wording.Line(err.Error()), 300))
}

func advice(code int) string {
	switch code {
	case 530, 534, 535, 538:
		return "; check username, password and auth"
	case 550, 551, 553:
		return "; check the address, and whether this sender may use the server"
	case 552:
		return "; it is too large, or the mailbox is full"
	}
	return ""
}
