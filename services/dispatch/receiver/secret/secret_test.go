package secret_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/esolutions/esmon/services/dispatch/receiver/secret"
)

func TestRead(t *testing.T) {
	t.Setenv("ESMON_TEST_SECRET", " from-env ")
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tt := range []struct {
		v          secret.Value
		want, says string
	}{
		{secret.Value{}, "", ""}, {secret.Text(" x "), "x", ""}, {secret.Env("ESMON_TEST_SECRET"), "from-env", ""},
		{secret.Env("ESMON_TEST_NOTHING"), "", "is not set"}, {secret.File(write("a", "from-file\n")), "from-file", ""},
		{secret.File("a").In(dir), "from-file", ""}, {secret.File(filepath.Join(dir, "none")), "", "does not exist"},
		{secret.File(write("empty", " \n")), "", "is empty"}, {secret.File(write("big", strings.Repeat("x", 70_000))), "", "has more than"}, {secret.File(dir), "", "read a secret"},
	} {
		got, err := tt.v.Read()
		if got != tt.want || (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%v: %q, %v", tt.v, got, err)
		}
	}
}

type around struct{ inner secret.Value }

func TestItDoesNotPrint(t *testing.T) {
	t.Parallel()
	v := secret.Text("hunter2")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		for _, x := range []any{v, &v, around{v}, &around{v}, []secret.Value{v}, map[string]secret.Value{"a": v}} {
			got := fmt.Sprintf(verb, x)
			if strings.Contains(got, "hunter2") || strings.Contains(got, fmt.Sprintf("%x", "hunter2")) {
				t.Errorf("%s prints %q", verb, got)
			}
		}
	}
	if got := secret.File("/run/x").String(); got != "*** (file /run/x)" {
		t.Error(got)
	}
}

func TestEqualOnesAreEqual(t *testing.T) {
	t.Parallel()
	if !reflect.DeepEqual(secret.Text("a"), secret.Text("a")) || reflect.DeepEqual(secret.Text("a"), secret.Text("b")) {
		t.Error("a configuration that did not change must be equal")
	}
}
