package rule

import (
	"context"
	"strings"
	"sync"
	"testing"
)

type hostile struct{ name, text, want string }

// hostileTemplates would take for ever, or all memory, if nothing stopped them.
func hostileTemplates() []hostile {
	const double = `{{$x := "0123456789abcdef"}}{{range 40}}{{$x = %s}}{{end}}{{len $x}}`
	doubling := func(expr string) string { return strings.Replace(double, "%s", expr, 1) }
	return []hostile{
		{"long range", `{{range 1000000000}}{{end}}`, "steps"},
		{"nested ranges", `{{range 10000}}{{range 10000}}{{range 10000}}{{end}}{{end}}{{end}}`, "steps"},
		{"range with else", `{{range 100000000}}{{else}}{{end}}`, "steps"},
		{"wide body", `{{range 50000}}` + strings.Repeat(`{{if 1}}{{end}}`, 1000) + `{{end}}`, "steps"},
		{"continue", `{{range 1000000000}}{{continue}}{{end}}`, "steps"},
		{"recursion", `{{define "a"}}{{template "a"}}{{end}}{{template "a"}}`, "deep"},
		{"mutual recursion", `{{define "a"}}{{template "b" .}}{{end}}{{define "b"}}{{template "a" .}}{{end}}{{template "a" .}}`, "deep"},
		{"branching recursion", `{{define "a"}}{{if lt (len .) 80}}{{template "a" (print . "x")}}{{template "a" (print . "x")}}{{end}}{{end}}{{template "a" ""}}`, "steps"},
		{"range in template", `{{define "a"}}{{range 1000}}{{end}}{{end}}{{range 1000}}{{template "a"}}{{end}}`, "steps"},
		{"much output", `{{range 20000}}0123456789{{end}}`, "bytes"},
		{"doubling by print", doubling(`print $x $x`), "bytes"},
		{"doubling by println", doubling(`println $x $x`), "bytes"},
		{"doubling by printf", doubling(`printf "%[1]s%[1]s" $x`), "bytes"},
		{"html", `{{$x := printf "%060000d" 1}}{{range 1000}}{{$y := html $x}}{{end}}`, "too much to do"},
		{"growing by js", `{{$x := "<"}}{{range 200}}{{$x = js $x}}{{end}}`, "bytes"},
		{"growing by urlquery", `{{$x := "&"}}{{range 40}}{{$x = urlquery $x $x}}{{end}}`, "bytes"},
		{"growing by urlQueryEscape", `{{$x := "&"}}{{range 1000}}{{$x = urlQueryEscape (print $x "&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&")}}{{end}}`, ""},
		{"doubling by reReplaceAll", doubling(`reReplaceAll "$" $x $x`), "bytes"},
		{"many replacements", `{{$x := printf "%060000d" 1}}{{reReplaceAll "" $x $x}}`, "too"},
		{"references", `{{$x := printf "%020000d" 1}}{{$r := reReplaceAll "0" "$$0" (slice $x 0 5000)}}{{reReplaceAll "0+" $r $x}}`, "too"},
		{"one long value again and again", `{{$x := printf "%060000d" 1}}{{printf "` + strings.Repeat("%[1]s", 10_000) + `" $x}}`, "would be too long"},
		{"wide printf", `{{printf "%999999d%999999d" 1 1}}`, "too long"},
		{"wide printf by star", `{{printf "%*d%*d" 900000 1 900000 1}}`, "too long"},
		{"precise printf", `{{printf "%.999999f" 1.0}}`, "bytes"},
		{"printf again and again", `{{range 5000}}{{$x := printf "%050000d" 1}}{{end}}`, "too much to do"},
		{"args in args", `{{$x := args 1}}{{range 60}}{{$x = args $x $x}}{{end}}{{$x}}`, "args"},
		{"comparing", `{{$x := printf "%060000d" 1}}{{$y := printf "%060000d" 1}}{{range 1000000}}{{if eq $x $y $x $y}}{{end}}{{end}}`, "steps"},
		{"queries", `{{range 1000}}{{query "up"}}{{end}}`, "queries"},
		{"large expression", `{{match "((((x{10}){10}){10}){10})" "x"}}`, "regexp"},
		{"many states", `{{match "` + strings.Repeat("a{1000}b{1000}", 10) + `" "x"}}`, "states"},
		{"wide classes", `{{match "` + strings.Repeat(`\\pL`, 1000) + `" "x"}}`, "states"},
		{"long expression", `{{match (printf "%05000d" 1) "x"}}`, "bytes"},
		{"slow expression", `{{$x := printf "%060000d" 1}}{{match "(0*)*(0*)*(0*)*(0*)*(0?){100}1$" $x}}`, "too much to do"},
		{"many expressions", `{{range $i := 100000}}{{match (printf "%d(a|b|c|d|e)*{50}" $i) "x"}}{{end}}`, ""},
		{"captures", `{{$x := printf "%060000d" 1}}{{reReplaceAll "` + strings.Repeat("()", 1000) + `" "" $x}}`, "too much to do"},
		{"sorting", `{{$q := query "up"}}{{range 100000}}{{$q = sortByLabel "instance" $q}}{{end}}`, ""},
		{"title", `{{$x := printf "%060000d" 1}}{{range 1000}}{{$y := title $x}}{{end}}`, "too much to do"},
	}
}

func TestHostileTemplatesAreStopped(t *testing.T) {
	t.Parallel()
	for _, h := range hostileTemplates() {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			tmpl, err := NewTemplate("x", h.text)
			if err != nil {
				t.Fatal(err)
			}
			text, err := tmpl.Expand(context.Background(), referenceData())
			if err == nil {
				t.Fatalf("it was not stopped and yields %.100q", text)
			}
			if !strings.Contains(err.Error(), h.want) {
				t.Errorf("the error does not speak of %q: %v", h.want, err)
			}
			if text != "<error expanding template: "+err.Error()+">" {
				t.Errorf("the text is %q", text)
			}
		})
	}
}

func TestTemplateEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	data := referenceData()
	data.Query = func(context.Context, string) ([]Sample, error) {
		cancel()
		return nil, nil
	}
	tmpl, err := NewTemplate("x", `{{range query "up"}}{{end}}{{range 10}}x{{end}}`)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := tmpl.Expand(ctx, data); err == nil || !strings.Contains(err.Error(), "in time") {
		t.Errorf("it yields %q, %v", text, err)
	}
}

func TestTemplateTooLong(t *testing.T) {
	t.Parallel()
	if _, err := NewTemplate("x", "{{1}}"+strings.Repeat("x", maxTemplateBytes)); err == nil {
		t.Error("it was taken")
	}
}

// What one expansion used up must not be missing in the next one, and what goes on at
// the same time must not mix.
func TestExpansionsAreIndependent(t *testing.T) {
	t.Parallel()
	tmpl, err := NewTemplate("x", `{{$labels.n}}:{{range 100}}x{{end}}{{with query "q"}}{{(first .).Labels.n}}{{end}}{{if eq $labels.n "bad"}}{{range 1000000}}{{end}}{{end}}`)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, n := range []string{"a", "b", "bad", "c"} {
		wg.Go(func() {
			data := Data{Labels: map[string]string{"n": n}, Query: func(context.Context, string) ([]Sample, error) {
				return []Sample{{Labels: map[string]string{"n": n}}}, nil
			}}
			for range 30 {
				text, err := tmpl.Expand(context.Background(), data)
				if n == "bad" {
					if err == nil {
						t.Error("the bad one was not stopped")
						return
					}
					continue
				}
				if want := n + ":" + strings.Repeat("x", 100) + n; err != nil || text != want {
					t.Errorf("%q, %v instead of %q", text, err, want)
					return
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkExpand(b *testing.B) {
	tmpl, err := NewTemplate("x", `Disk {{ $labels.system_device }} of {{ $labels.host_name }} is {{ $value | humanizePercentage }} full`)
	if err != nil {
		b.Fatal(err)
	}
	data := Data{Labels: map[string]string{"host_name": "h", "system_device": "sda"}, Value: 0.9}
	for b.Loop() {
		if _, err := tmpl.Expand(context.Background(), data); err != nil {
			b.Fatal(err)
		}
	}
}
