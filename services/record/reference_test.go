package record_test

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// A reader of bodies written from FORMAT.md alone. It gives the text that [dump]
// gives of a Record, and refuses by a panic that [refDump] catches.

var errReference = errors.New("refused by the reference reader")

type bodyIn struct{ b []byte }

func check(ok bool, what string) {
	if !ok {
		panic(fmt.Errorf("%w: %s", errReference, what))
	}
}

func (in *bodyIn) take(n uint64) []byte {
	check(n <= uint64(len(in.b)), "bytes missing")
	b := in.b[:n]
	in.b = in.b[n:]
	return b
}

func (in *bodyIn) uv() uint64 {
	v := new(big.Int)
	for i := range 10 {
		b := in.take(1)[0]
		v.Or(v, new(big.Int).Lsh(big.NewInt(int64(b&0x7f)), uint(7*i)))
		if b < 0x80 {
			check(v.BitLen() <= 64, "a varint of too many bits")
			return v.Uint64()
		}
	}
	check(false, "a varint of too many bytes")
	return 0
}

func (in *bodyIn) zv() int64 {
	n := in.uv()
	if n%2 == 0 {
		return int64(n / 2)
	}
	return -int64(n/2) - 1
}

func (in *bodyIn) count(size int) uint64 {
	n := in.uv()
	check(n <= uint64(len(in.b)/size), "a count beyond the bytes left")
	return n
}

func (in *bodyIn) str() string { return string(in.take(in.uv())) }
func (in *bodyIn) id() string  { return fmt.Sprintf("%x", in.take(16)) }

func (in *bodyIn) labels() string {
	var all []string
	for range in.count(2) {
		all = append(all, fmt.Sprintf("%s=%q", in.str(), in.str()))
	}
	return "{" + strings.Join(all, ",") + "}"
}

// refDump reads a body.
func refDump(version byte, body []byte) (text string, err error) {
	defer func() {
		if e, ok := recover().(error); ok {
			if err = e; !errors.Is(e, errReference) {
				panic(e)
			}
		}
	}()
	var out strings.Builder
	in := &bodyIn{body}
	var marks []int64
	if version == 2 {
		if tick := in.zv(); tick != 0 {
			fmt.Fprintf(&out, "tick %d\n", tick)
		}
		for range in.count(1) {
			marks = append(marks, in.zv())
		}
	}
	for range in.count(17) {
		fmt.Fprintf(&out, "schema %s\n", in.id())
		for range in.count(4) {
			name, typ := in.str(), in.take(1)[0]
			fmt.Fprintf(&out, "  %s %s %q %q %s\n", name, typeName(typ), in.str(), in.str(), in.labels())
		}
	}
	for range in.count(17) {
		fmt.Fprintf(&out, "entity %s %s\n", in.id(), in.labels())
	}
	in.frames(&out, version, marks)
	return out.String(), nil
}

func typeName(n byte) string {
	names := []string{"unknown", "gauge", "counter", "histogram", "summary", "info"}
	if int(n) < len(names) {
		return names[n]
	}
	return names[0]
}

// frames reads dictionary, batches, frames and values.
func (in *bodyIn) frames(out *strings.Builder, version byte, marks []int64) {
	var schemas, entities []string
	var widths, counts []uint64
	for range in.count(17) {
		schemas = append(schemas, in.id())
		w := in.uv()
		check(w <= 8_388_608, "a width")
		widths = append(widths, w)
	}
	for range in.count(16) {
		entities = append(entities, in.id())
	}
	var batches []string
	sum := new(big.Int)
	for range in.count(4) {
		batches = append(batches, fmt.Sprintf("batch %q received %d skew %d", in.str(), in.zv(), in.zv()))
		counts = append(counts, in.uv())
		sum.Add(sum, new(big.Int).SetUint64(counts[len(counts)-1]))
	}
	check(version == 1 || len(marks) == len(batches), "a watermark for each batch")
	for i := range batches {
		if version == 2 && marks[i] != 0 {
			batches[i] += fmt.Sprintf(" complete %d", marks[i])
		}
		batches[i] += "\n"
	}
	check(sum.Cmp(big.NewInt(int64(len(in.b)/3))) <= 0, "frames beyond the bytes left")
	type frame struct {
		text  string
		width uint64
	}
	var frames []frame
	at, total := int64(0), uint64(0)
	for range sum.Uint64() {
		e, s := in.uv(), in.uv()
		check(e < uint64(len(entities)) && s < uint64(len(schemas)), "a place in the dictionary")
		at += in.zv()
		frames = append(frames, frame{fmt.Sprintf("  %d %s %s", at, entities[e], schemas[s]), widths[s]})
		total += widths[s]
	}
	check(total*8 == uint64(len(in.b)), "values missing or left over")
	for i, b := range batches {
		out.WriteString(b)
		for _, f := range frames[:counts[i]] {
			out.WriteString(f.text)
			for range f.width {
				v := in.take(8)
				fmt.Fprintf(out, " %02x%02x%02x%02x%02x%02x%02x%02x", v[7], v[6], v[5], v[4], v[3], v[2], v[1], v[0])
			}
			out.WriteString("\n")
		}
		frames = frames[counts[i]:]
	}
}
