package app

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/esolutions/esmon/services/settings"
)

var update = flag.Bool("update", false, "write docs/configuration.md and the golden files")

const (
	modulePath    = "github.com/esolutions/esmon/"
	root          = "../../"
	referencePath = root + "docs/configuration.md"
)

const referenceHead = `# Configuration

<!-- Generated from the comments beside the settings: go test ./services/app -run Reference -update -->

Every setting has a default that works. A value comes from, each overriding the one before:

1. the default,
2. the file given by ` + "`esmon serve --config FILE`" + `, YAML, one section an indented block,
3. the environment: ` + "`ESMON_`" + `, the section and the name in capitals, such as ` + "`ESMON_HTTP_ADDRESS`" + `; lists are separated by commas,
4. flags: ` + "`--data-dir`, `--http`, `--grpc`, `--internal`, `--target`, `--log-level`" + `.

Two variables choose an engine together with where it is: ` + "`ESMON_AMQP_URL`" + ` sets ` + "`bus.url`" + ` and ` + "`bus.kind`" + `, ` + "`ESMON_POSTGRES_DSN`" + ` sets ` + "`db.dsn`" + ` and ` + "`db.kind`" + `.

` + "`esmon serve --check-config`" + ` says every mistake with its line and ends with 1, or with 0 if there is none. A key that is no setting is a mistake.

Durations are written as 500ms, 30s, 10m, 2h, 15d or 2w; sizes (settings that end in ` + "`_bytes`" + `) as a number of bytes or with a unit, 64MiB or 2GB.
Secrets are shown as *** wherever the configuration is printed.
`

// TestReference holds docs/configuration.md to the settings and their comments.
func TestReference(t *testing.T) {
	t.Parallel()
	got := reference(t)
	if *update {
		if err := os.WriteFile(referencePath, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(referencePath)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != got {
		t.Error("docs/configuration.md is not what the settings say: run go test ./services/app -run Reference -update")
	}
}

func reference(t *testing.T) string {
	t.Helper()
	cfg := DefaultConfig()
	var b strings.Builder
	b.WriteString(referenceHead)
	docs := comments{}
	for _, d := range settings.New(&cfg).Describe() {
		switch {
		case d.Section && d.Path == "":
			b.WriteString("\n## At the top level\n\n| setting | default | meaning |\n|---|---|---|\n")
		case d.Section:
			fmt.Fprintf(&b, "\n## `%s`\n\n%s\n\n| setting | default | meaning |\n|---|---|---|\n", d.Path, docs.of(t, d))
		default:
			fmt.Fprintf(&b, "| `%s` | `%s` | %s |\n", d.Path, d.Value, docs.of(t, d))
		}
	}
	return b.String()
}

// comments are the comments of struct fields by package, struct and field.
type comments map[string]map[string]string

// of returns the comment of the field that declares a setting.
func (c comments) of(t *testing.T, d settings.Description) string {
	t.Helper()
	pkg := d.Owner.PkgPath()
	if c[pkg] == nil {
		c[pkg] = fieldComments(t, filepath.Join(root, strings.TrimPrefix(pkg, modulePath)))
	}
	text := c[pkg][d.Owner.Name()+"."+d.Field]
	if text == "" {
		t.Errorf("setting %s: the field %s of %s has no comment", d.Path, d.Field, d.Owner)
	}
	return sentence(text, d.Field)
}

// sentence turns "MaxAge is how long…" into "How long…", and puts it on one line.
func sentence(text, field string) string {
	text = strings.Join(strings.Fields(strings.ReplaceAll(text, "|", `\|`)), " ")
	rest, named := strings.CutPrefix(text, field+" ")
	if !named {
		return text
	}
	for _, verb := range []string{"is ", "are "} {
		rest = strings.TrimPrefix(rest, verb)
	}
	return strings.ToUpper(rest[:1]) + rest[1:]
}

func fieldComments(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no source in %s: %v", dir, err)
	}
	out := map[string]string{}
	for _, f := range files {
		file, err := parser.ParseFile(token.NewFileSet(), f, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok {
				structComments(spec, out)
			}
			return true
		})
	}
	return out
}

func structComments(spec *ast.TypeSpec, out map[string]string) {
	st, ok := spec.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, f := range st.Fields.List {
		text := f.Doc.Text()
		if text == "" {
			text = f.Comment.Text()
		}
		for _, name := range f.Names {
			out[spec.Name.Name+"."+name.Name] = text
		}
	}
}

// TestEverySettingChecksItself sets each number and duration to what cannot work
// and expects a message that names it.
func TestEverySettingChecksItself(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	for _, d := range settings.New(&cfg).Describe() {
		if d.Section {
			continue
		}
		f, _ := d.Owner.FieldByName(d.Field)
		if f.Type.Kind() != reflect.Int && f.Type.Kind() != reflect.Int64 {
			continue
		}
		t.Run(d.Path, func(t *testing.T) {
			t.Parallel()
			c := DefaultConfig()
			s := settings.New(&c)
			text := "-5"
			if strings.Contains(d.Value, "s") || strings.HasSuffix(d.Value, "m") || strings.HasSuffix(d.Value, "h") || strings.HasSuffix(d.Value, "d") {
				text = "-5s"
			}
			s.Text(d.Path, text, "test")
			s.Validate()
			if err := s.Err(); err == nil || !strings.HasPrefix(err.Error(), "test: "+d.Path+": ") {
				t.Errorf("%s: %s gave %v", d.Path, text, err)
			}
		})
	}
}
