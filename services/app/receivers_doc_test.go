package app

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/esolutions/esmon/services/dispatch/receiver"
	"github.com/esolutions/esmon/services/dispatch/receiver/secret"
)

const receiversPath = root + "docs/receivers.md"

const receiversHead = `# Receivers

<!-- Generated from the comments beside the fields: go test ./services/app -run ReceiverReference -update -->

The fields of ` + "`receivers.yaml`" + `; [alerting](alerting.md#receivers) says what arrives, and has an example. A secret is text, ` + "`{file: PATH}`" + `, read anew when the file changes, or ` + "`{env: NAME}`" + `; it is never shown. A field that there is not, or a value that cannot be, is told with its line, and what was read before stays.
`

// TestReceiverReference holds docs/receivers.md to the fields and their comments.
func TestReceiverReference(t *testing.T) {
	t.Parallel()
	got := receiverReference(t)
	if *update {
		if err := os.WriteFile(receiversPath, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(receiversPath)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != got {
		t.Error("docs/receivers.md is not what the fields say: run go test ./services/app -run ReceiverReference -update")
	}
}

func receiverReference(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(receiversHead)
	d := reflect.TypeFor[receiver.Definition]()
	writeFields(t, &b, "Every receiver", d)
	for i := range d.NumField() {
		if f := d.Field(i); f.Type.Kind() == reflect.Pointer {
			writeFields(t, &b, "`"+f.Tag.Get("yaml")+"`", f.Type.Elem())
		}
	}
	return b.String()
}

// writeFields writes a section about a struct.
func writeFields(t *testing.T, b *strings.Builder, title string, of reflect.Type) {
	t.Helper()
	texts := fieldComments(t, filepath.Join(root, strings.TrimPrefix(of.PkgPath(), modulePath)))
	defaults := reflect.New(of)
	if d, ok := defaults.Interface().(interface{ SetDefaults() }); ok {
		d.SetDefaults()
	}
	fmt.Fprintf(b, "\n## %s\n\n| field | type | default | meaning |\n|---|---|---|---|\n", title)
	var inner []reflect.StructField
	for i := range of.NumField() {
		f := of.Field(i)
		if f.Type.Kind() == reflect.Pointer && of == reflect.TypeFor[receiver.Definition]() {
			continue // a kind has a section of its own
		}
		if f.Type.Kind() == reflect.Pointer {
			inner = append(inner, f)
		}
		text := texts[of.Name()+"."+f.Name]
		if text == "" {
			t.Errorf("field %s of %s has no comment", f.Name, of)
			continue
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", f.Tag.Get("yaml"), typeWord(f.Type), defaultWord(defaults.Elem().FieldByIndex(f.Index)), sentence(text, f.Name))
	}
	for _, f := range inner {
		writeFields(t, b, title+": `"+f.Tag.Get("yaml")+"`", f.Type.Elem())
	}
}

// typeWord says what is written there.
func typeWord(of reflect.Type) string {
	switch {
	case of == reflect.TypeFor[secret.Value]():
		return "secret"
	case of == reflect.TypeFor[receiver.Rate]():
		return "rate"
	case of.String() == "time.Duration":
		return "duration"
	case of.Kind() == reflect.Slice:
		return "list"
	case of.Kind() == reflect.Map:
		return "map of " + typeWord(of.Elem())
	case of.Kind() == reflect.Bool:
		return "true or false"
	case of.Kind() == reflect.Int:
		return "number"
	case of.Kind() == reflect.Pointer:
		return "see below"
	}
	return "text"
}

func defaultWord(v reflect.Value) string {
	switch v.Kind() {
	case reflect.String, reflect.Bool, reflect.Int:
		if !v.IsZero() {
			return fmt.Sprintf("`%v`", v)
		}
	}
	return ""
}
