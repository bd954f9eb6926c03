package strictyaml

import (
	"encoding"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/esolutions/esmon/services/settings"
)

// decodeInto reads the node into what the pointer points to.
func (n Node) decodeInto(pointer any) { n.decode(reflect.ValueOf(pointer).Elem()) }

var durationType = reflect.TypeFor[time.Duration]()

// decode reads the node into the value, which can be addressed.
func (n Node) decode(v reflect.Value) {
	if d, ok := v.Addr().Interface().(NodeDecoder); ok {
		d.DecodeNode(n)
		return
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		n.decodeText(u)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		n.decode(p.Elem())
		v.Set(p)
	case reflect.Struct:
		n.decodeStruct(v)
	case reflect.Slice:
		n.decodeSlice(v)
	case reflect.Map:
		n.decodeMap(v)
	default:
		n.decodeScalar(v)
	}
}

func (n Node) decodeText(u encoding.TextUnmarshaler) {
	text, ok := n.Text()
	if !ok {
		return
	}
	if err := u.UnmarshalText([]byte(text)); err != nil {
		n.Problem("%v", err)
	}
}

func (n Node) decodeStruct(v reflect.Value) {
	if d, ok := v.Addr().Interface().(interface{ SetDefaults() }); ok {
		d.SetDefaults()
	}
	for _, e := range n.Entries() {
		field, ok := fieldOf(v, e.Key)
		if !ok {
			n.d.add(n.d.places[e.Value.path], e.Value.path, "there is no such field; here are: "+strings.Join(names(v), ", "))
			continue
		}
		e.Value.decode(field)
	}
}

// fieldOf returns the field of the struct that has the name in the file.
func fieldOf(v reflect.Value, name string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if tag := v.Type().Field(i).Tag.Get("yaml"); tag == name && tag != "-" {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func names(v reflect.Value) []string {
	var all []string
	for i := range v.NumField() {
		if tag := v.Type().Field(i).Tag.Get("yaml"); tag != "" && tag != "-" {
			all = append(all, tag)
		}
	}
	return all
}

func (n Node) decodeSlice(v reflect.Value) {
	items := n.Items()
	s := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		item.decode(s.Index(i))
	}
	v.Set(s)
}

func (n Node) decodeMap(v reflect.Value) {
	m := reflect.MakeMap(v.Type())
	for _, e := range n.Entries() {
		value := reflect.New(v.Type().Elem()).Elem()
		e.Value.decode(value)
		m.SetMapIndex(reflect.ValueOf(e.Key).Convert(v.Type().Key()), value)
	}
	v.Set(m)
}

func (n Node) decodeScalar(v reflect.Value) {
	text, ok := n.Text()
	if !ok {
		return
	}
	switch {
	case v.Type() == durationType:
		d, err := settings.ParseDuration(text)
		if err != nil {
			n.Problem("%v", err)
			return
		}
		v.SetInt(int64(d))
	case v.Kind() == reflect.String:
		v.SetString(text)
	case v.Kind() == reflect.Bool:
		if text != "true" && text != "false" {
			n.Problem("%q is neither true nor false", text)
			return
		}
		v.SetBool(text == "true")
	case v.CanInt():
		i, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 10, 64)
		if err != nil || v.OverflowInt(i) {
			n.Problem("%q is no whole number, or too large a one", text)
			return
		}
		v.SetInt(i)
	case v.CanFloat():
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			n.Problem("%q is no number", text)
			return
		}
		v.SetFloat(f)
	default:
		n.Problem("values of this kind cannot be read") // a field of a type that the package does not know
	}
}
