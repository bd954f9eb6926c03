package receivertest

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/metric"
)

// Now is when the messages are made.
const Now int64 = 1_770_000_000_000

// Firing is a message with one alert.
func Firing() *alert.Message {
	spark := make([]alert.Float, 60)
	for i := range spark {
		spark[i] = alert.Float(60 + 30*math.Sin(float64(i)/10))
	}
	spark[10] = alert.Float(math.NaN())
	return &alert.Message{
		ID: "n-0001", Receiver: "ops", Kind: alert.MessageNews, Status: alert.Firing, Severity: "critical", Time: Now,
		Title: "DiskAlmostFull on web001", Text: "The disk of web001 fills up.\nIt is full in about 4 h.", Order: "group-1",
		GroupLabels:  map[string]string{"alertname": "DiskAlmostFull", "site": "berlin"},
		CommonLabels: map[string]string{"alertname": "DiskAlmostFull", "site": "berlin", "owner": "storage team"},
		Alerts: []alert.MessageAlert{{
			Key: "0123456789abcdef01234567", Status: alert.Firing, New: true,
			Labels: metric.NewLabels(metric.Label{Name: "alertname", Value: "DiskAlmostFull"}, metric.Label{Name: "host_name", Value: "web001"},
				metric.Label{Name: "severity", Value: "critical"}, metric.Label{Name: "owner", Value: "storage team"},
				metric.Label{Name: "device", Value: "/dev/sda1"}, metric.Label{Name: "site", Value: "berlin"}),
			Annotations: map[string]string{"summary": "web001: /dev/sda1 is 93 % full", "description": "It grows by 2 GiB an hour."},
			Value:       93.25, Threshold: "> 90", Unit: "%", Fired: Now - 754_000, Spark: spark,
			URL: "https://esmon.example.com/alerts/0123456789abcdef01234567", RunbookURL: "https://wiki.example.com/disk-full",
			GeneratorURL: "https://esmon.example.com/graph?expr=disk",
		}},
		Firing: 1, Hosts: []string{"web001"}, DashboardURL: "https://esmon.example.com/alerts",
		ConfirmURL: "https://esmon.example.com/confirm?token=abc", SilenceURL: "https://esmon.example.com/silence?token=abc",
	}
}

// Resolved is the message that follows [Firing].
func Resolved() *alert.Message {
	m := Firing()
	m.ID, m.Status, m.Severity, m.Title = "n-0002", alert.Resolved, "", "Resolved: DiskAlmostFull on web001"
	m.Text, m.Firing, m.ResolvedN, m.Hosts = "", 0, 1, nil
	m.Time += 600_000
	m.Alerts[0].Status, m.Alerts[0].Resolved, m.Alerts[0].Value = alert.Resolved, Now+540_000, 71
	return m
}

// Several is a message with alerts of many hosts, one of them acknowledged and one over.
func Several() *alert.Message {
	m := Firing()
	one := m.Alerts[0]
	m.ID, m.Title, m.Alerts, m.Hosts = "n-0003", "DiskAlmostFull on 250 hosts", nil, nil
	for i := 1; i <= 250; i++ {
		m.Hosts = append(m.Hosts, fmt.Sprintf("web%03d", i))
	}
	for i := range alert.MaxMessageAlerts {
		a := one
		a.Key = alert.Key(fmt.Sprintf("%024x", i))
		a.Labels = one.Labels.With(metric.Label{Name: "host_name", Value: m.Hosts[i]})
		m.Alerts = append(m.Alerts, a)
	}
	m.Alerts[1].Ack = &alert.Ack{Author: "ada", Comment: "I look at it"}
	m.Alerts[49].Status, m.Alerts[49].Resolved = alert.Resolved, Now
	m.Firing, m.ResolvedN = 250, 1
	return m
}

// Digest is a message that counts.
func Digest() *alert.Message {
	m := Several()
	m.ID, m.Kind, m.Title, m.Alerts = "n-0004", alert.MessageDigest, "345 alerts in 10 s", nil
	m.Digest = []alert.DigestLine{
		{Name: "HostDown", Severity: "critical", Firing: 250, Hosts: m.Hosts},
		{Name: "DiskAlmostFull", Severity: "warning", Firing: 95, Resolved: 3, Hosts: m.Hosts[:95]},
		{Name: "Lonely", Firing: 1, Hosts: m.Hosts[:1]},
	}
	m.Firing, m.ResolvedN = 346, 3
	return m
}

// Test is a message that somebody sent to try a receiver.
func Test() *alert.Message {
	return &alert.Message{ID: "n-0005", Receiver: "ops", Kind: alert.MessageTest, Status: alert.Firing, Title: "Test of the receiver ops",
		Text: "Nothing is wrong.", Severity: "info", Time: Now, Order: "test-ops"}
}

// Storm is a digest of n hosts with random names of 36 characters, which cannot be folded.
func Storm(n int) *alert.Message {
	m := Digest()
	m.ID, m.Firing, m.Title = "n-0006", n, fmt.Sprintf("%d hosts fail", n)
	r := rand.New(rand.NewPCG(3, 4))
	m.Hosts = make([]string, n)
	for i := range m.Hosts {
		b := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, r.Uint64()), r.Uint64())
		h := hex.EncodeToString(b)
		m.Hosts[i] = strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
	}
	slices.Sort(m.Hosts)
	m.Digest[0].Hosts, m.Digest[0].Firing = m.Hosts, n
	return m
}

// Nasty are texts that do harm where they are not escaped.
var Nasty = []string{
	"[click](https://evil.example/?a=1) ![x](https://evil.example/x.png)",
	"<at>everyone</at> <!channel> <@U123> @here <https://evil.example|bank>",
	"*bold* _it_ ~~no~~ `code` # head\n- list\n1. one\n> quote",
	"\u202egnp.exe\u2066 \u200b\x00\x01\x1b[31m\x07 a\xff\xfe",
	"</td></tr><script>alert(1)</script><img src=x onerror=alert(1)> \" onmouseover=\"x",
	"x\r\nBcc: victim@evil.example\r\n\r\n.\r\nMAIL FROM:<a@b>",
	"{{DATE(2020-01-01T00:00:00Z)}} ${1+1} {{ .Secret }} {%x%} @{triggerBody()}",
	"^ORactive=true^correlation_id!=x",
	"a\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301",
}

// Hostile is a message whose every text is hostile, and huge.
func Hostile() *alert.Message {
	bad := strings.Join(Nasty, " ")
	huge := strings.Repeat(bad+"\n", 2000)
	m := Several()
	m.ID, m.Title, m.Text, m.Severity = "n-0007", huge, huge, bad
	m.GroupLabels = map[string]string{bad: huge, "site": huge, huge: bad}
	m.CommonLabels = map[string]string{"owner": huge}
	m.CommonAnnotations = map[string]string{"runbook_url": "javascript:alert(1)"}
	m.DashboardURL, m.SilenceURL = "javascript:alert(1)", "https://user:pass@evil.example/"
	m.ConfirmURL = "https://esmon.example.com/" + strings.Repeat("a", 5000)
	m.Hosts = append(m.Hosts, Nasty...)
	m.Hosts = append(m.Hosts, strings.Repeat("h", 200_000))
	slices.Sort(m.Hosts)
	for i := range m.Alerts {
		a := &m.Alerts[i]
		a.Labels = metric.NewLabels(metric.Label{Name: "alertname", Value: Nasty[i%len(Nasty)] + huge}, metric.Label{Name: "host_name", Value: huge},
			metric.Label{Name: "owner", Value: bad}, metric.Label{Name: "x", Value: huge}, metric.Label{Name: "y", Value: bad})
		a.Annotations = map[string]string{"summary": bad, "description": huge}
		a.Threshold, a.Unit, a.RunbookURL, a.URL = huge, bad, "javascript:alert(1)", "data:text/html,x"
		a.Value = alert.Float(math.Inf(1))
		a.Spark = append(a.Spark, alert.Float(math.Inf(-1)), alert.Float(math.MaxFloat64), alert.Float(-math.MaxFloat64))
		a.Ack = &alert.Ack{Author: huge, Comment: huge}
	}
	return m
}

// All are the messages by name, without those that are too large for golden files.
func All() map[string]*alert.Message {
	return map[string]*alert.Message{"firing": Firing(), "resolved": Resolved(), "several": Several(), "digest": Digest(), "test": Test()}
}
