package receiver

import (
	"fmt"
	"path/filepath"
	"reflect"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/dispatch/receiver/secret"
	"github.com/esolutions/esmon/services/dispatch/receiver/strictyaml"
)

// Options are what a file needs besides its content.
type Options struct {
	// Dir is the directory that relative paths in the file are of.
	Dir string
	// Templates are those that templates in the file may use, by name.
	Templates map[string]string
}

// Parse reads receivers.yaml. The name is the file's, for the problems. It opens no other
// file: secrets are looked for by [New]. The configuration counts only if there are no
// problems; an empty file has no receivers.
func Parse(name string, content []byte, o Options) (*Config, []alert.Problem) {
	c := &Config{}
	d := strictyaml.Decode(name, content, c)
	if problems := d.Problems(); len(problems) > 0 {
		return c, problems // what else would be said might not be true
	}
	if n := len(c.Receivers); n > maxReceivers {
		d.Problem("receivers", fmt.Sprintf("there are %d; the limit is %d", n, maxReceivers))
	}
	first := map[string]int{}
	for i := range c.Receivers {
		r, field := &c.Receivers[i], fmt.Sprintf("receivers[%d]", i)
		d.Invalid(field, r.Validate())
		for kind, k := range r.kinds() {
			d.Invalid(field+"."+kind, k.Validate())
		}
		if r.Webhook != nil {
			d.Invalid(field+".webhook", r.Webhook.CheckTemplate(o.Templates))
		}
		if j, twice := first[r.Name]; twice && r.Name != "" {
			d.Problem(field+".name", fmt.Sprintf("receivers[%d] has the name %q already", j, r.Name))
		} else {
			first[r.Name] = i
		}
		r.fill()
	}
	locate(reflect.ValueOf(c).Elem(), o.Dir)
	for i := range c.Receivers {
		if f := &c.Receivers[i].CAFile; *f != "" && !filepath.IsAbs(*f) {
			*f = filepath.Join(o.Dir, *f)
		}
	}
	return c, d.Problems()
}

var secretType = reflect.TypeFor[secret.Value]()

// locate takes the relative paths of all secrets from the directory.
func locate(v reflect.Value, dir string) {
	visit(v, func(s secret.Value, set func(secret.Value)) { set(s.In(dir)) })
}

// visit calls f for each secret, with what puts another in its place.
func visit(v reflect.Value, f func(s secret.Value, set func(secret.Value))) {
	if v.Type() == secretType {
		f(v.Interface().(secret.Value), func(s secret.Value) { v.Set(reflect.ValueOf(s)) })
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			visit(v.Elem(), f)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			visit(v.Field(i), f)
		}
	case reflect.Slice:
		for i := range v.Len() {
			visit(v.Index(i), f)
		}
	case reflect.Map:
		if v.Type().Elem() != secretType {
			return
		}
		for _, key := range v.MapKeys() {
			f(v.MapIndex(key).Interface().(secret.Value), func(s secret.Value) { v.SetMapIndex(key, reflect.ValueOf(s)) })
		}
	}
}
