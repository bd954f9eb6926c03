package email

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	netmail "net/mail"
	"regexp"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/dispatch/receiver/outbound"
	"github.com/esolutions/esmon/services/dispatch/receiver/wording"
)

// Dial opens a connection.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Receiver sends mails.
type Receiver struct {
	config   Config
	tls      *tls.Config
	dial     Dial
	template *template.Template
	log      *slog.Logger
}

// New returns a receiver. Dial may be nil. Connections are secured as the tls.Config
// says; its server name is set here.
func New(c Config, tlsConfig *tls.Config, dial Dial, log *slog.Logger) (*Receiver, error) {
	t, err := template.New("mail").Parse(mailTemplate)
	if err != nil {
		return nil, fmt.Errorf("read the template of mails: %w", err)
	}
	host, _, err := c.address()
	if err != nil {
		return nil, err
	}
	tlsConfig = tlsConfig.Clone()
	tlsConfig.ServerName = host
	if dial == nil {
		dial = (&net.Dialer{Timeout: 10 * time.Second}).DialContext
	}
	return &Receiver{config: c, tls: tlsConfig, dial: dial, template: t, log: log}, nil
}

// Send sends the message to all addresses at once. An address that the server refuses
// for good does not keep the others from getting it.
func (r *Receiver) Send(ctx context.Context, m *alert.Message) error {
	msg, err := r.message(m)
	if err != nil {
		return outbound.Permanent("write the mail: %w", err)
	}
	client, options, err := r.client(ctx)
	if err != nil {
		return err
	}
	defer options.stop()
	conn, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return r.judge(ctx, "connect to the mail server", err)
	}
	defer func() { _ = client.CloseWithSMTPClient(conn) }() // the mail is taken or not, whatever becomes of the connection
	return r.transfer(ctx, conn, msg, m.ID)
}

// transfer hands the mail over.
func (r *Receiver) transfer(ctx context.Context, conn *smtp.Client, msg *mail.Msg, id string) error {
	from, err := msg.GetSender(false)
	if err != nil {
		return outbound.Permanent("from: %w", err)
	}
	if err := conn.Mail(from); err != nil {
		return r.judge(ctx, "name the sender "+from, err)
	}
	to, err := msg.GetRecipients()
	if err != nil {
		return outbound.Permanent("to: %w", err)
	}
	if err := r.recipients(ctx, conn, to, id); err != nil {
		return err
	}
	w, err := conn.Data()
	if err != nil {
		return r.judge(ctx, "send the mail", err)
	}
	if _, err := msg.WriteTo(w); err != nil {
		return r.judge(ctx, "send the mail", err)
	}
	if err := w.Close(); err != nil {
		return r.judge(ctx, "send the mail", err)
	}
	return nil
}

// recipients names the addresses. Those that are refused for good are left out, unless
// all are.
func (r *Receiver) recipients(ctx context.Context, conn *smtp.Client, to []string, id string) error {
	var refused []string
	var last *outbound.Error
	for _, address := range to {
		err := conn.Rcpt(address)
		if err == nil {
			continue
		}
		e := r.judge(ctx, "name the recipient "+address, err)
		judged, ok := e.(*outbound.Error) //nolint:errorlint // judge's own
		if !ok || !judged.Permanent {
			return e // all of them again later
		}
		refused, last = append(refused, address), judged
	}
	if len(refused) == len(to) && last != nil {
		return last
	}
	if last != nil {
		r.log.Warn("the mail server refuses some addresses of a receiver; correct them", "addresses", strings.Join(refused, ", "),
			"answer", last.Status, "notification", id)
	}
	return nil
}

var plainID = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)

// messageID returns an id for a header: the text itself or its hash, at the sender's
// domain.
func messageID(kind, text, from string) string {
	if !plainID.MatchString(text) || len(text) > 100 {
		sum := sha256.Sum256([]byte(text))
		text = hex.EncodeToString(sum[:16])
	}
	domain := "esmon.invalid"
	if a, err := netmail.ParseAddress(from); err == nil {
		if _, d, ok := strings.Cut(a.Address, "@"); ok && !strings.ContainsAny(d, "<> []") {
			domain = d
		}
	}
	return kind + "." + text + "@" + domain
}

// message returns the mail. The same message gives the same mail.
func (r *Receiver) message(m *alert.Message) (*mail.Msg, error) {
	html, err := renderHTML(r.template, m)
	if err != nil {
		return nil, err
	}
	id := messageID("notification", m.ID, r.config.From)
	msg := mail.NewMsg(mail.WithBoundary("esmon-" + boundary(id)))
	if err := r.address(msg); err != nil {
		return nil, err
	}
	msg.Subject(wording.Title(m, 200))
	msg.SetMessageIDWithValue(id)
	msg.SetDateWithValue(time.UnixMilli(m.Time).UTC())
	msg.SetUserAgent("esmon")
	thread := "<" + messageID("thread", m.Order, r.config.From) + ">"
	msg.SetGenHeader(mail.HeaderInReplyTo, thread)
	msg.SetGenHeader(mail.HeaderReferences, thread)
	msg.SetBulk() // no answers by machines
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	if m.Status == alert.Firing && wording.Level(m.Severity) == wording.Critical && m.Kind != alert.MessageTest {
		msg.SetImportance(mail.ImportanceHigh)
	}
	msg.SetBodyString(mail.TypeTextPlain, wording.Plain(m, maxText))
	msg.AddAlternativeString(mail.TypeTextHTML, html)
	return msg, nil
}

func boundary(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:16])
}

func (r *Receiver) address(msg *mail.Msg) error {
	c := &r.config
	if err := msg.From(c.From); err != nil {
		return fmt.Errorf("from: %w", err)
	}
	if len(c.To) > 0 {
		if err := msg.To(c.To...); err != nil {
			return fmt.Errorf("to: %w", err)
		}
	} else {
		msg.SetGenHeader("To", "undisclosed-recipients:;")
	}
	if len(c.Cc) > 0 {
		if err := msg.Cc(c.Cc...); err != nil {
			return fmt.Errorf("cc: %w", err)
		}
	}
	if len(c.Bcc) > 0 {
		if err := msg.Bcc(c.Bcc...); err != nil {
			return fmt.Errorf("bcc: %w", err)
		}
	}
	if c.ReplyTo != "" {
		if err := msg.ReplyTo(c.ReplyTo); err != nil {
			return fmt.Errorf("reply_to: %w", err)
		}
	}
	return nil
}
