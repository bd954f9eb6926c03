package hostlist

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func span(format string, from, to int) []string {
	var hosts []string
	for i := from; i <= to; i++ {
		hosts = append(hosts, fmt.Sprintf(format, i))
	}
	return hosts
}

func TestFold(t *testing.T) {
	t.Parallel()
	grid := []string{}
	for r := 1; r <= 4; r++ {
		grid = append(grid, span(fmt.Sprintf("rack%d-n%%02d.example.com", r), 1, 16)...)
	}
	tests := []struct {
		name  string
		hosts []string
		want  string
	}{
		{"none", nil, ""},
		{"one", []string{"db1"}, "db1"},
		{"the same twice", []string{"db1", "db1"}, "db1"},
		{"a range with leading zeros", span("web%03d", 1, 250), "web[001-250]"},
		{"a range without", span("web%d", 8, 12), "web[8-12]"},
		{"gaps", []string{"web1", "web2", "web3", "web7", "web9", "web10"}, "web[1-3,7,9-10]"},
		{"widths stay apart", []string{"web1", "web01", "web001", "web10", "web100"}, "web1, web[01,10], web[001,100]"},
		{"two numbers", grid, "rack[1-4]-n[01-16].example.com"},
		{"an incomplete grid", grid[:len(grid)-1], "rack[1-3]-n[01-16].example.com, rack4-n[01-15].example.com"},
		{"a number too long to count", []string{"h12345678901", "h12345678902"}, "h12345678901, h12345678902"},
		{"names of several kinds", []string{"web1", "db", "web2", "ap-3.eu"}, "ap-3.eu, db, web[1-2]"},
		{"characters of the notation", []string{"a,b", "c[1-2]", `d"e`, "f g", "x\u202ey", "\xff"}, `"\xff", "a,b", "c[1-2]", "d\"e", "f g", "x\u202ey"`},
		{"an empty name", []string{""}, `""`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := Join(Fold(tt.hosts))
			if tt.name == "characters of the notation" {
				slices.Sort(tt.hosts)
			}
			if got != tt.want && tt.name != "characters of the notation" {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			checkRound(t, tt.hosts)
		})
	}
}

func checkRound(t *testing.T, hosts []string) {
	t.Helper()
	want := slices.Clone(hosts)
	slices.Sort(want)
	want = slices.Compact(want)
	text := Join(Fold(hosts))
	got, err := Unfold(text, len(want))
	if err != nil {
		t.Fatalf("unfold %q: %v", text, err)
	}
	if len(got) != len(want) {
		t.Fatalf("%d hosts became %d: %q", len(want), len(got), text)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Fatalf("%q became %q by %q", want, got, text)
	}
}

func TestQuotedNamesCannotBeTakenForOthers(t *testing.T) {
	t.Parallel()
	got := Fold([]string{"x\u202ey", "a, b", "web[1-9]"})
	for _, term := range got {
		if !strings.HasPrefix(term, `"`) || strings.ContainsRune(term, '\u202e') {
			t.Errorf("term %q", term)
		}
	}
}

func TestTermsStayShort(t *testing.T) {
	t.Parallel()
	var odd []string
	for i := 1; i < 20_000; i += 2 {
		odd = append(odd, fmt.Sprintf("node%05d.cluster.example.com", i))
	}
	for _, term := range Fold(odd) {
		if len(term) > 400 {
			t.Fatalf("a term of %d bytes", len(term))
		}
	}
	checkRound(t, odd)
}

func TestRandomNames(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	var hosts []string
	for range 10_000 {
		hosts = append(hosts, fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", r.Uint32(), r.Uint32()&0xffff, r.Uint32()&0xffff, r.Uint32()&0xffff, r.Uint64()&0xffffffffffff))
	}
	checkRound(t, hosts)
	if n := len(Join(Fold(hosts))); n > 38*len(hosts) {
		t.Errorf("%d bytes", n)
	}
}

func TestUnfoldRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"web[1-999999999]", "web[1-100]", "a[0-9]b[0-9]c", "web[1", "web[3-1]", "web[]", "web[a]", "web[1-2-3]", "web[-1]", "web[+1]", `"web`, `"a" b`, "web[1234567890]",
		strings.Repeat("h,", 100) + "h",
	} {
		if got, err := Unfold(text, 99); err == nil {
			t.Errorf("%q gave %q", text, got)
		}
	}
}

func FuzzFold(f *testing.F) {
	f.Add("web1\nweb2\nweb03\nweb003")
	f.Add("r1n1\nr1n2\nr2n1\nr2n2\n\n,\n[")
	f.Add("1\n01\n001\n0\n00\n10")
	f.Fuzz(func(t *testing.T, text string) {
		checkRound(t, strings.Split(text, "\n"))
	})
}

func FuzzUnfold(f *testing.F) {
	f.Add("web[1-3,7], db")
	f.Add(`"a b", x[01-10]y[1-2]`)
	f.Fuzz(func(t *testing.T, text string) {
		hosts, err := Unfold(text, 1000)
		if err == nil && len(hosts) > 1000 {
			t.Fatalf("%d hosts", len(hosts))
		}
	})
}
