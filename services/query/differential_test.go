package query_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/esolutions/esmon/services/metric"
)

// seedVariable names the environment variable that sets the seed of the generated
// data and queries: a number, or "random".
const seedVariable = "ESMON_QUERY_SEED"

// baseSeed is what a run that was not told otherwise uses, so that it does the same
// each time.
const baseSeed = 1

// chosenSeed is the seed of the run.
var chosenSeed = sync.OnceValues(func() (uint64, error) {
	switch text := os.Getenv(seedVariable); text {
	case "":
		return baseSeed, nil
	case "random":
		return rand.Uint64N(1_000_000_000), nil
	default:
		return strconv.ParseUint(text, 10, 64)
	}
})

// runSeed returns the seed of the run and says how to get it again.
func runSeed(t *testing.T) uint64 {
	t.Helper()
	seed, err := chosenSeed()
	if err != nil {
		t.Fatalf("%s: give a number or random: %v", seedVariable, err)
	}
	t.Logf("seed %d; run with %s=%d to repeat, =random for another", seed, seedVariable, seed)
	return seed
}

// trial is one data set with its questions.
type trial struct {
	*dataset
	*tally
	name   string
	seed   uint64
	gen    *generator
	log    []logged
	plain  *plainStore // what was handed over so far
	handed int         // records of log that it has
}

// dataEnd is where the timelines of data sets end: half way into a block.
const dataEnd = int64(1_700_000_000_000)

func newTrial(seed uint64, number int) *trial {
	mixed := seed*1000 + uint64(number)
	d := newDataset(mixed, dataEnd)
	log := &ingestLog{Rand: rand.New(rand.NewPCG(mixed, 4))}
	return &trial{
		dataset: d, tally: newTally(), name: fmt.Sprintf("data set %d of seed %d", number, seed), seed: mixed,
		gen: &generator{rand.New(rand.NewPCG(mixed, 3)), d.start, d.end},
		log: log.write(d.arriving), plain: newPlainStore(),
	}
}

// hand hands the records up to the index to the plain store.
func (x *trial) hand(upTo int) {
	for ; x.handed < upTo; x.handed++ {
		r := &x.log[x.handed]
		for i := range r.frames {
			x.plain.add(&r.frames[i], r.partition, r.offset, int64(i))
		}
	}
}

// trials runs a trial of each number in parallel and returns what all counted.
func trials(t *testing.T, n int, run func(t *testing.T, x *trial)) *tally {
	t.Helper()
	seed := runSeed(t)
	total := newTally()
	var mu sync.Mutex // guards total
	t.Run("data", func(t *testing.T) {
		for i := range n {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				x := newTrial(seed, i)
				run(t, x)
				mu.Lock()
				defer mu.Unlock()
				total.add(x.tally)
			})
		}
	})
	return total
}

// TestSameAsThePlainEngine compares the service over a source in memory with the
// engine over the plain store: what stands between the source and the engine changes
// no result.
func TestSameAsThePlainEngine(t *testing.T) {
	t.Parallel()
	trials(t, 6, func(t *testing.T, x *trial) {
		x.hand(len(x.log))
		service := newRig(t, memoryOf(x.plain), nil).service
		plain, real := plainAsker(x.plain), serviceAsker(service)
		for range 100 {
			x.compare(t, x.name, x.gen.question(), plain, real)
		}
		for range 10 {
			x.browse(t, x.name, x.gen, x.plain, service)
		}
	}).enough(t, 550, 0)
}

// memoryOf returns a source in memory of what the plain store holds.
func memoryOf(p *plainStore) *memSource {
	m := &memSource{}
	for _, s := range p.series {
		mem := memSeries{times: slices.Sorted(maps.Keys(s.at))}
		s.labels.Range(func(l labels.Label) { mem.labels = append(mem.labels, metric.Label{Name: l.Name, Value: l.Value}) })
		for _, t := range mem.times {
			mem.values = append(mem.values, s.at[t].value)
		}
		m.series = append(m.series, mem)
	}
	slices.SortFunc(m.series, func(a, b memSeries) int { return metric.Compare(a.labels, b.labels) })
	return m
}
