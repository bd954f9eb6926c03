package gateway

import (
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

const timestampName protoreflect.FullName = "google.protobuf.Timestamp"

// fieldOf returns the field that a caller means; nil if there is none. Either
// spelling is taken, pageSize and page_size.
func fieldOf(m protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if f := m.Fields().ByJSONName(name); f != nil {
		return f
	}
	return m.Fields().ByTextName(name)
}

// fieldNames returns the fields as JSON spells them, in the contract's order.
func fieldNames(m protoreflect.MessageDescriptor) []string {
	names := make([]string, m.Fields().Len())
	for i := range names {
		names[i] = m.Fields().Get(i).JSONName()
	}
	return names
}

// wanted says what a field takes, to go on after "write".
func wanted(f protoreflect.FieldDescriptor) string {
	switch {
	case f.IsMap():
		return `an object such as {"name": …}, each value ` + wantedValue(f.MapValue())
	case f.IsList():
		return "a list in [ ], each item " + wantedValue(f)
	}
	return wantedValue(f)
}

// wantedValue says what one value of a field looks like.
func wantedValue(f protoreflect.FieldDescriptor) string {
	switch f.Kind() {
	case protoreflect.BoolKind:
		return "true or false"
	case protoreflect.StringKind:
		return "text in quotes"
	case protoreflect.BytesKind:
		return "bytes as base64 in quotes"
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return `a number such as 1.5, or "NaN", "Infinity" or "-Infinity"`
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return "a whole number from 0 to 4294967295"
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return "a whole number from -2147483648 to 2147483647"
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return "a whole number from 0"
	case protoreflect.EnumKind:
		return "one of " + enumNames(f.Enum())
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return wantedMessage(f.Message())
	}
	return "a whole number"
}

func wantedMessage(m protoreflect.MessageDescriptor) string {
	if m.FullName() == timestampName {
		return `a time such as "2026-01-31T15:04:05Z"`
	}
	return "an object with " + theFields(m)
}

// theFields names the fields of a message.
func theFields(m protoreflect.MessageDescriptor) string {
	names := fieldNames(m)
	if len(names) == 0 {
		return "no fields"
	}
	return "the fields " + strings.Join(names, ", ")
}

// enumNames names what may be chosen; the first of each, "not known", is left out.
func enumNames(e protoreflect.EnumDescriptor) string {
	var names []string
	for i := range e.Values().Len() {
		if v := e.Values().Get(i); v.Number() != 0 {
			names = append(names, strconv.Quote(string(v.Name())))
		}
	}
	return strings.Join(names, ", ")
}

// quoteName returns a name of a caller for a message: as it is, if it is one.
func quoteName(name string) string {
	for _, r := range name {
		if r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') {
			return strconv.Quote(clip(name))
		}
	}
	if name == "" {
		return `""`
	}
	return clip(name)
}

// clip shortens text of a caller for a message.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
