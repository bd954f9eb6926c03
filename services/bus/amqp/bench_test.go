//go:build linux

package amqp_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/bus/amqp"
)

// brokerCPU returns what a process has used.
func brokerCPU(tb testing.TB, pid int) time.Duration {
	tb.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		tb.Skip(err)
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond // clock ticks
}

// BenchmarkRecord publishes and reads records of a size at a rate, 0 for as fast
// as possible, and tells what that costs the broker.
func BenchmarkRecord(b *testing.B) {
	for _, c := range []struct{ size, rate int }{{16 << 10, 20}, {16 << 10, 200}, {128 << 10, 20}, {16 << 10, 0}, {128 << 10, 0}} {
		b.Run(fmt.Sprintf("size=%dk,rate=%d", c.size>>10, c.rate), func(b *testing.B) {
			n, _, url := broker(b)
			l := openLog(b, url, amqp.Deps{}, nil)
			r := read(b, l, 0, 1)
			record := make([]byte, c.size)
			b.SetBytes(int64(c.size))
			b.ReportAllocs()
			slots := make(chan struct{}, 16)
			used := brokerCPU(b, n.PID())
			b.ResetTimer()
			var wg sync.WaitGroup
			wg.Go(func() {
				start := time.Now()
				for i := range b.N {
					if c.rate > 0 {
						time.Sleep(time.Until(start.Add(time.Duration(i) * time.Second / time.Duration(c.rate))))
					}
					slots <- struct{}{}
					wg.Go(func() {
						if err := l.Publish(b.Context(), 0, record); err != nil {
							b.Error(err)
						}
						<-slots
					})
				}
			})
			for range b.N {
				if _, err := next(b, r); err != nil {
					b.Fatal(err)
				}
			}
			wg.Wait()
			b.StopTimer()
			used = brokerCPU(b, n.PID()) - used
			b.ReportMetric(float64(used.Microseconds())/float64(b.N), "broker-µs/op")
			b.ReportMetric(float64(used.Milliseconds())/b.Elapsed().Seconds(), "broker-ms/s")
		})
	}
}

// BenchmarkIdle tells what a log costs that does nothing.
func BenchmarkIdle(b *testing.B) {
	n, _, url := broker(b)
	for _, logs := range []int{0, 1, 4} {
		b.Run(fmt.Sprintf("logs=%d", logs), func(b *testing.B) {
			for range logs {
				openLog(b, url, amqp.Deps{}, nil)
			}
			used := brokerCPU(b, n.PID())
			start := time.Now()
			time.Sleep(10 * time.Second)
			b.ReportMetric(float64((brokerCPU(b, n.PID())-used).Milliseconds())/time.Since(start).Seconds(), "broker-ms/s")
		})
	}
}
