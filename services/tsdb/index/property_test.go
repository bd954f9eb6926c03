package index_test

import (
	"math/rand/v2"
	"testing"
)

const (
	modelSteps = 60
	modelSeeds = 120 // with 120 selects each
)

// play lets things happen to an index and compares it with the model.
func play(rng *rand.Rand) (*model, error) {
	m := newModel(rng)
	for i := range modelSteps {
		if err := m.step(); err != nil {
			return m, err
		}
		if i%6 == 5 {
			if err := m.check(); err != nil {
				return m, err
			}
		}
	}
	return m, nil
}

func TestIndexIsAsTheModel(t *testing.T) {
	t.Parallel()
	pairs, twins, several := 0, 0, 0
	for seed := range uint64(modelSeeds) {
		m, err := play(rand.New(rand.NewPCG(seed, 7)))
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for _, known := range m.pairs {
			pairs++
			n := len(m.twins(known))
			twins += min(n, 1)
			several += n / 3
		}
	}
	// The model must come to what it is meant to test.
	if pairs < 2*modelSeeds || twins < modelSeeds/3 || several < modelSeeds/20 {
		t.Fatalf("%d pairs, %d with twins, %d with several: too few", pairs, twins, several)
	}
}

func FuzzIndex(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("a few bytes decide what happens first, the rest is as random as they"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1000 {
			return
		}
		if _, err := play(rand.New(&byteSource{data: data, after: rand.NewPCG(uint64(len(data)), 9)})); err != nil {
			t.Fatal(err)
		}
	})
}

// byteSource makes each byte one decision. Behind the last it is random.
type byteSource struct {
	data  []byte
	after *rand.PCG
}

func (s *byteSource) Uint64() uint64 {
	if len(s.data) == 0 {
		return s.after.Uint64()
	}
	b := uint64(s.data[0])
	s.data = s.data[1:]
	return b<<56 | b<<24 // what is drawn looks at the high bits of 64 or of 32
}
