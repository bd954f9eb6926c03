package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// place is where a token stands in a JSON text.
type place struct {
	path  []step
	key   bool   // the token is the last step's name, not its value
	found string // what the token is
	text  bool   // it is text in quotes
}

// step leads from a value to one inside it: by name, or by index if name is nil.
type step struct {
	name  *string
	index int
}

// String returns the place as it is written in most languages: points[0].name.
func (p place) String() string {
	var b strings.Builder
	for _, s := range p.path {
		switch {
		case s.name == nil:
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
		case quoteName(*s.name) != *s.name:
			b.WriteString("[" + quoteName(*s.name) + "]")
		default:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(*s.name)
		}
	}
	const most = 200
	if b.Len() > most {
		return strings.ToValidUTF8(b.String()[:most], "") + "…"
	}
	return b.String()
}

// placeAt returns the place of the token at an offset, or of the last one before
// it, if the text cannot be read so far.
func placeAt(text []byte, offset int) place {
	var (
		at     place
		opened []json.Delim
		dec    = json.NewDecoder(bytes.NewReader(text))
	)
	dec.UseNumber()
	for {
		token, err := dec.Token()
		if err != nil {
			return at
		}
		delim, isDelim := token.(json.Delim)
		if isDelim && (delim == '}' || delim == ']') {
			opened = opened[:len(opened)-1]
			if at.key = false; len(at.path) > len(opened) {
				at.path = at.path[:len(opened)]
			}
			continue
		}
		at.enter(token, opened)
		if dec.InputOffset() > int64(offset) {
			return at
		}
		if isDelim {
			opened = append(opened, delim)
		}
	}
}

// enter goes on to a token that opens or is a value, or names one.
func (p *place) enter(token json.Token, opened []json.Delim) {
	p.found, p.text = describe(token)
	depth := len(opened)
	if depth == 0 {
		return
	}
	before := p.path
	p.path = before[:min(len(before), depth)]
	switch {
	case opened[depth-1] == '[':
		index := 0
		if len(before) >= depth {
			index = before[depth-1].index + 1
		}
		p.path = append(p.path[:depth-1], step{index: index})
	case p.key:
		p.key = false
	default:
		name, _ := token.(string) // the decoder lets nothing else stand here
		p.path = append(p.path[:depth-1], step{name: &name})
		p.key = true
	}
}

func describe(token json.Token) (found string, isText bool) {
	switch v := token.(type) {
	case json.Delim:
		if v == '{' {
			return "an object", false
		}
		return "a list", false
	case string:
		return strconv.Quote(clip(v)), true
	case nil:
		return "null", false
	default:
		return clip(fmt.Sprint(v)), false
	}
}

// target is what the contract has at a place.
type target struct {
	holder protoreflect.MessageDescriptor // the message that the place is in
	field  protoreflect.FieldDescriptor   // nil if there is none of that name
	item   bool                           // one item of the list or map that the field is
}

// resolve returns what stands at the place in a message; nothing if the contract
// has nothing that could hold it.
func (p place) resolve(m protoreflect.MessageDescriptor) target {
	t := target{holder: m}
	for _, s := range p.path {
		if t.field != nil {
			if !t.item && (t.field.IsMap() || s.name == nil) {
				t.item = true
				continue
			}
			t = target{holder: t.value().Message()}
		}
		if t.holder == nil || s.name == nil {
			return target{}
		}
		if t.field = fieldOf(t.holder, *s.name); t.field == nil {
			return t
		}
	}
	return t
}

// value returns the field that describes one value: of a map, that of its entries.
func (t target) value() protoreflect.FieldDescriptor {
	if t.field.IsMap() {
		return t.field.MapValue()
	}
	return t.field
}

// wanted says what may stand there.
func (t target) wanted() string {
	if t.item {
		return wantedValue(t.value())
	}
	return wanted(t.field)
}

// isText tells whether text may stand there.
func (t target) isText() bool {
	plain := !t.field.IsList() && !t.field.IsMap()
	return (t.item || plain) && t.value().Kind() == protoreflect.StringKind
}

// position says where an offset is for people: bytes are counted by editors in
// lines and characters.
func position(text []byte, offset int) string {
	before := text[:offset]
	begin := bytes.LastIndexByte(before, '\n') + 1
	return fmt.Sprintf("line %d, column %d", bytes.Count(before, []byte("\n"))+1, utf8.RuneCount(before[begin:])+1)
}

// offsetOf is the way back.
func offsetOf(text []byte, line, column int) int {
	offset := 0
	for ; line > 1; line-- {
		offset += bytes.IndexByte(text[offset:], '\n') + 1
	}
	for ; column > 1 && offset < len(text); column-- {
		_, size := utf8.DecodeRune(text[offset:])
		offset += size
	}
	return offset
}
