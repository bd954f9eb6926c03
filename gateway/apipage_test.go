package gateway_test

import (
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/esolutions/esmon/gateway"
	livev1 "github.com/esolutions/esmon/gen/go/esmon/live/v1"
)

// The page for programs is held to the gateway: its commands are carried out, and
// its messages read.

func readPage(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestPageNamesEveryPath(t *testing.T) {
	t.Parallel()
	page := readPage(t, "api.md")
	paths := readDocument(t).Paths
	for path := range paths {
		if written := strings.NewReplacer("{name}", "shop").Replace(path); !strings.Contains(page, written) {
			t.Errorf("the page does not mention %s", path)
		}
	}
	for _, row := range regexp.MustCompile("`(GET|PUT|POST|DELETE) (/api/[^`]*)`").FindAllStringSubmatch(page, -1) {
		if _, ok := paths[row[2]][strings.ToLower(row[1])]; !ok {
			t.Errorf("there is no %s %s", row[1], row[2])
		}
	}
}

func TestPageNamesDefaultsAsConfigured(t *testing.T) {
	t.Parallel()
	reference := readPage(t, "configuration.md")
	rows := regexp.MustCompile("(?m)^\\| [^|]* \\| (`[^`]+`) \\| (`[^`]+`) \\|$").FindAllStringSubmatch(readPage(t, "api.md"), -1)
	if len(rows) < 10 {
		t.Fatalf("only %d limits found", len(rows))
	}
	for _, row := range rows {
		if !strings.Contains(reference, "| "+row[2]+" | "+row[1]+" |") {
			t.Errorf("%s is not %s by the reference", row[2], row[1])
		}
	}
}

func TestCommandsOfThePage(t *testing.T) {
	t.Parallel()
	const documented = "http://localhost:8080"
	base := serve(t, &platform{}, func(c *gateway.Config, _ *gateway.Deps) { c.RequestTimeout = time.Second })
	commands := curlCommands(readPage(t, "api.md"))
	if len(commands) < 12 {
		t.Fatalf("only %d commands found", len(commands))
	}
	for _, words := range commands {
		c := parseCurl(t, words)
		a := do(t, c.method, strings.Replace(c.url, documented, base, 1), c.body, func(r *http.Request) {
			r.Header.Set("Content-Type", c.contentType)
		})
		// The services of this test do not know most calls, which is said by 501,
		// or the agent of the example.
		if a.code != 200 && a.code != 501 && a.code != 504 && (a.code != 404 || a.reason(t) == "path_unknown") {
			t.Errorf("%q: %d %s", words, a.code, a.body)
		}
	}
}

func TestMessagesOfThePage(t *testing.T) {
	t.Parallel()
	lines := regexp.MustCompile(`(?m)^([→←]) (.*)$`).FindAllStringSubmatch(readPage(t, "api.md"), -1)
	if len(lines) < 5 {
		t.Fatalf("only %d messages found", len(lines))
	}
	for _, line := range lines {
		m := map[string]proto.Message{"→": &livev1.WatchRequest{}, "←": &livev1.WatchResponse{}}[line[1]]
		if err := protojson.Unmarshal([]byte(line[2]), m); err != nil {
			t.Errorf("%s: %v", line[0], err)
		}
	}
}

// curlCommands returns the words of the page's curl commands.
func curlCommands(page string) (commands [][]string) {
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(page, -1) {
		text := strings.ReplaceAll(block[1], "\\\n", "")
		var words []string
		for _, w := range regexp.MustCompile(`'[^']*'|[^\s']+|\n`).FindAllString(text, -1) {
			if w == "\n" {
				commands, words = appendCurl(commands, words), nil
				continue
			}
			words = append(words, strings.Trim(w, "'"))
		}
	}
	return commands
}

func appendCurl(commands [][]string, words []string) [][]string {
	if len(words) == 0 || words[0] != "curl" {
		return commands
	}
	return append(commands, words)
}

// curl is what a command asks for.
type curl struct{ method, url, body, contentType string }

func parseCurl(t *testing.T, words []string) curl {
	t.Helper()
	c := curl{method: "GET"}
	var form []string
	inURL := false
	for i := 1; i < len(words); i++ {
		switch w := words[i]; w {
		case "-s":
		case "--get":
			inURL = true
		case "-X":
			i++
			c.method = words[i]
		case "-H":
			i++
			c.contentType = strings.TrimPrefix(words[i], "Content-Type: ")
		case "-d":
			i++
			c.body = words[i]
		case "--data-urlencode":
			i++
			form = append(form, encodePair(words[i]))
		default:
			if c.url != "" || strings.HasPrefix(w, "-") {
				t.Fatalf("%q: what is %q?", words, w)
			}
			c.url = w
		}
	}
	switch {
	case inURL:
		c.url += "?" + strings.Join(form, "&")
	case len(form) > 0:
		c.body, c.contentType = strings.Join(form, "&"), "application/x-www-form-urlencoded"
	}
	if c.method == "GET" && c.body != "" {
		c.method = "POST"
	}
	return c
}

func encodePair(pair string) string {
	name, value, _ := strings.Cut(pair, "=")
	return name + "=" + url.QueryEscape(value)
}
