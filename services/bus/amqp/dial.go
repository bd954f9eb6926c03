package amqp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// closeTimeout is how long a broker may take to agree to the end of a connection.
const closeTimeout = time.Second

// dial connects to one broker. Automatic recovery stays off: it would start
// readers of streams over.
func dial(ctx context.Context, cfg *Config, b broker, secure *tls.Config, name string) (*amqp.Connection, net.Conn, error) {
	var raw net.Conn
	stop := func() bool { return true }
	props := amqp.NewConnectionProperties()
	props.SetClientConnectionName(name)
	conn, err := amqp.DialConfig(b.url, amqp.Config{
		Heartbeat: cfg.Heartbeat, TLSClientConfig: secure.Clone(), Properties: props,
		Dial: func(network, addr string) (net.Conn, error) {
			d := net.Dialer{Timeout: cfg.ConnectTimeout}
			c, err := d.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err //nolint:wrapcheck // the caller says what was attempted
			}
			raw = c
			stop = context.AfterFunc(ctx, func() { _ = c.Close() })
			// The library takes it away when the connection stands.
			if err := c.SetDeadline(time.Now().Add(cfg.ConnectTimeout)); err != nil {
				return nil, errors.Join(err, c.Close())
			}
			return &timedConn{Conn: c, timeout: cfg.WriteTimeout}, nil
		},
	})
	stop()
	if err != nil {
		if raw != nil {
			_ = raw.Close() // it is useless
		}
		return nil, nil, fmt.Errorf("connect to broker %s: %w", b.name, err)
	}
	return conn, raw, nil
}

// timedConn ends a write that nobody takes: a broker that was stopped where it
// stood must not hold up who publishes.
type timedConn struct {
	net.Conn
	timeout time.Duration
}

func (c *timedConn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, err //nolint:wrapcheck // this is a net.Conn
	}
	return c.Conn.Write(b) //nolint:wrapcheck // likewise
}

// shut ends a connection, in good order if the broker answers soon.
func shut(conn *amqp.Connection, raw net.Conn) {
	t := time.AfterFunc(closeTimeout, func() { _ = raw.Close() })
	defer t.Stop()
	_ = conn.CloseDeadline(time.Now().Add(closeTimeout)) // it is over in any case
}
