package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/esolutions/esmon/services/fault"
)

// jsonForm is the contracts' JSON. Its decoder takes one message and nothing
// after it, and says what is wrong with one in the terms of who wrote it.
type jsonForm struct{ runtime.JSONPb }

func newJSONForm() *jsonForm {
	return &jsonForm{runtime.JSONPb{MarshalOptions: protojson.MarshalOptions{EmitUnpopulated: true}}}
}

// NewDecoder returns a decoder of the body r. The generated code reduces an error
// to its text, so the body keeps it.
func (*jsonForm) NewDecoder(r io.Reader) runtime.Decoder {
	return runtime.DecoderFunc(func(v any) error {
		f := decodeBody(r, v)
		if f == nil {
			return nil
		}
		if b, ok := r.(*limitedBody); ok {
			b.wrong = f
		}
		return f
	})
}

func decodeBody(r io.Reader, v any) *fault.Error {
	text, err := io.ReadAll(r)
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "body_incomplete", "the body did not arrive whole; send the request again")
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil // a request that leaves everything out
	}
	m, ok := messageOf(v)
	if !ok {
		return fault.New(fault.Internal, fault.Internal.String(), "decode a body into %T", v)
	}
	return decodeJSON("the body", text, m)
}

// messageOf returns the message that v is, or points to where the body is one field of
// the request: it is made if it is not there.
func messageOf(v any) (m proto.Message, ok bool) {
	if m, ok = v.(proto.Message); ok {
		return m, true
	}
	field := reflect.ValueOf(v)
	if field.Kind() != reflect.Pointer || field.Elem().Kind() != reflect.Pointer {
		return nil, false
	}
	if field = field.Elem(); field.IsNil() {
		field.Set(reflect.New(field.Type().Elem()))
	}
	m, ok = field.Interface().(proto.Message)
	return m, ok
}

// decodeJSON reads a message. what is what the text is called where something is
// wrong with it.
func decodeJSON(what string, text []byte, m proto.Message) *fault.Error {
	err := protojson.Unmarshal(text, m)
	if err == nil {
		return nil
	}
	if at := notUTF8(text); at < len(text) {
		return malformed(what, text, at, "it is not UTF-8")
	}
	var raw json.RawMessage
	if syntax, ok := errors.AsType[*json.SyntaxError](json.Unmarshal(text, &raw)); ok {
		return malformed(what, text, int(syntax.Offset)-1, strings.TrimPrefix(syntax.Error(), "json: "))
	}
	return mismatch(what, text, m.ProtoReflect().Descriptor(), err)
}

// notUTF8 returns the offset of the first byte that belongs to no character.
func notUTF8(text []byte) int {
	at := 0
	for at < len(text) {
		r, size := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		at += size
	}
	return at
}

// malformed is the refusal of what is no JSON. Of a text that ends too early the
// parser knows the end only.
func malformed(what string, text []byte, offset int, cause string) *fault.Error {
	offset = min(max(offset, 0), len(text))
	if cause == "unexpected end of JSON input" {
		offset, cause = len(text), "it ends before it is complete"
	}
	where := ""
	if path := placeAt(text, offset).String(); path != "" {
		where = ", in " + path
	}
	return fault.New(fault.Invalid, "json_malformed", "%s is no JSON (%s%s): %s; send one object such as {\"field\": value}", what, position(text, offset), where, cause)
}

// protojson says where something is wrong in the text of its errors only.
var positionText = regexp.MustCompile(`\(line (\d+):(\d+)\)`)

// mismatch is the refusal of JSON that is not what the contract wants.
func mismatch(what string, text []byte, m protoreflect.MessageDescriptor, err error) *fault.Error {
	match := positionText.FindStringSubmatch(err.Error())
	if match == nil && strings.HasSuffix(err.Error(), io.ErrUnexpectedEOF.Error()) {
		// The text is complete JSON: only a pair of escapes can be cut off.
		return fault.New(fault.Invalid, "field_invalid", `%s cannot be taken: an escape from \ud800 to \udfff stands alone; write both of a pair, or the character itself`, what)
	}
	if match == nil {
		return fault.New(fault.Invalid, "field_invalid", "%s cannot be taken: %s", what, libraryText(err))
	}
	offset := offsetOf(text, number(match[1]), number(match[2]))
	at := placeAt(text, offset)
	where := what
	if len(at.path) > 0 {
		where = at.String()
	}
	where += " (" + position(text, offset) + ")"
	t := at.resolve(m)
	switch {
	case at.key && t.field == nil && t.holder != nil:
		return fault.New(fault.Invalid, "field_unknown", "%s: there is no such field; write %s", where, theFields(t.holder))
	case at.key:
		return fault.New(fault.Invalid, "field_invalid", "%s: it stands twice; write it once", where)
	case len(at.path) == 0:
		return fault.New(fault.Invalid, "field_invalid", "%s: %s cannot stand here; write %s", where, at.found, wantedMessage(m))
	case t.field == nil || at.text && t.isText():
		return fault.New(fault.Invalid, "field_invalid", "%s: %s", where, libraryText(err))
	}
	return fault.New(fault.Invalid, "field_invalid", "%s: %s cannot stand here; write %s", where, at.found, t.wanted())
}

// libraryText is an error of protojson without what only its makers understand.
func libraryText(err error) string {
	text := positionText.ReplaceAllString(strings.TrimPrefix(err.Error(), "proto:"), "")
	text = strings.TrimPrefix(strings.Trim(text, " \u00a0"), "syntax error")
	return strings.TrimLeft(text, " :")
}

func number(digits string) int {
	n, _ := strconv.Atoi(digits) // the expression matched digits
	return n
}
