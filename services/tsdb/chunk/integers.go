package chunk

import "math/bits"

// groupLen is how many integers share one bit width: a burst makes its own group
// wide and no other.
const groupLen = 16

// appendPacked appends the numbers in groups: a byte with the width in bits, then
// the zigzagged numbers at that width.
func appendPacked(b []byte, numbers []int64) []byte {
	for len(numbers) > 0 {
		group := numbers[:min(groupLen, len(numbers))]
		numbers = numbers[len(group):]
		var all uint64
		for _, v := range group {
			all |= zigzag(v)
		}
		width := uint(bits.Len64(all))
		w := bitWriter{b: append(b, byte(width))}
		if width > 0 {
			for _, v := range group {
				w.write(zigzag(v), width)
			}
		}
		b = w.flush()
	}
	return b
}

// readPacked fills numbers from the front of r.
func readPacked(r *byteReader, numbers []int64) {
	for len(numbers) > 0 {
		group := numbers[:min(groupLen, len(numbers))]
		numbers = numbers[len(group):]
		width := uint(r.byte())
		if width > 64 {
			r.failed = true
			return
		}
		br := bitReader{b: r.take((uint64(width)*uint64(len(group)) + 7) / 8)}
		for i := range group {
			group[i] = unzigzag(br.read(width))
		}
	}
}

// packedSize returns what appendPacked would append.
func packedSize(numbers []int64) int {
	size := 0
	for len(numbers) > 0 {
		group := numbers[:min(groupLen, len(numbers))]
		numbers = numbers[len(group):]
		var all uint64
		for _, v := range group {
			all |= zigzag(v)
		}
		size += 1 + (bits.Len64(all)*len(group)+7)/8
	}
	return size
}

// deltas replaces each number but the first by the difference to the one before.
func deltas(numbers []int64) {
	for i := len(numbers) - 1; i > 0; i-- {
		numbers[i] -= numbers[i-1]
	}
}

// sums undoes deltas.
func sums(numbers []int64) {
	for i := 1; i < len(numbers); i++ {
		numbers[i] += numbers[i-1]
	}
}
