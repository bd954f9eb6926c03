package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/encoding/protojson"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
)

// tried are the rules that are run over the history, and the trouble that each finds.
var tried = []struct {
	name, rule string
	kind       int
}{
	{"threshold", "alert: Busy\nexpr: bench_busy_percent > 90\nfor: 1m\n", 0},
	{"rate", "alert: Errors\nexpr: rate(bench_errors_total[5m]) > 5\nfor: 1m\n", 1},
	{"ratio of rates", "alert: ErrorRatio\nexpr: rate(bench_errors_total[5m]) / rate(bench_requests_total[5m]) > 0.05\nfor: 1m\n", 1},
}

// backtest measures rules over stored history.
func backtest(ctx context.Context, b *bench) error {
	h := newHistory(b.historyHosts, b.days, time.Now())
	data := filepath.Join(b.dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	began := time.Now()
	if err := h.write(ctx, filepath.Join(data, "es_monitor.db")); err != nil {
		return fmt.Errorf("write the history: %w", err)
	}
	fmt.Printf("  %d hosts, %d days at %s steps, 3 series a host: %.1f million samples in %d MB, stored in %s by the path of cuts and merges\n",
		h.hosts, b.days, historyStep, float64(h.samples)/1e6, sizeOf(data)>>20, time.Since(began).Round(time.Second))
	if err := b.start(ctx, routesDefault); err != nil {
		return err
	}
	defer b.alone.Close() //nolint:errcheck // it is thrown away
	for _, one := range tried {
		if err := b.backtestRule(ctx, h, one.name, one.rule, h.episodes(one.kind)); err != nil {
			return fmt.Errorf("%s: %w\n%s", one.name, err, b.alone.Tail(2000))
		}
	}
	return nil
}

// backtestRule runs one rule on servers that were just started, and again on the last.
func (b *bench) backtestRule(ctx context.Context, h *history, name, text string, episodes int64) error {
	fmt.Printf("  %s, every %s: %s\n", name, historyStep, strings.Split(text, "\n")[1])
	for _, how := range []string{"cold", "warm"} {
		var took, cpu []time.Duration
		for range b.runs {
			if how == "cold" {
				if err := b.restart(ctx); err != nil {
					return err
				}
			}
			used, began := cpuOf(b.alone.PID()), time.Now()
			result, err := b.ask(ctx, h, text)
			if err != nil {
				return err
			}
			took, cpu = append(took, time.Since(began).Round(time.Millisecond)), append(cpu, cpuOf(b.alone.PID())-used)
			if result.GetTotalEpisodes() != episodes || len(result.GetWarnings()) > 0 {
				return fmt.Errorf("%d episodes, and there are %d; warnings: %q", result.GetTotalEpisodes(), episodes, result.GetWarnings())
			}
		}
		_, most := memoryOf(b.alone.PID())
		fmt.Printf("    %s: %v; median %s, worst %s; CPU median %s, memory at most %d MB; all %d episodes found\n", how, took, median(took), maxOf(took), median(cpu), most, episodes)
	}
	return nil
}

// ask runs a backtest over the public API.
func (b *bench) ask(ctx context.Context, h *history, text string) (*alertv1.Backtest, error) {
	body, err := json.Marshal(map[string]string{
		"rule": text, "start": h.start.UTC().Format(time.RFC3339), "end": h.end().UTC().Format(time.RFC3339), "interval": fmt.Sprintf("%gs", historyStep.Seconds()),
	})
	if err != nil {
		return nil, err
	}
	answer, err := call(ctx, http.MethodPost, b.alone.URL()+"/api/v1/rules:backtest", body)
	if err != nil {
		return nil, err
	}
	var res alertv1.BacktestRuleResponse
	if err := protojson.Unmarshal(answer, &res); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if len(res.GetProblems()) > 0 {
		return nil, fmt.Errorf("the rule: %s", res.GetProblems()[0].GetMessage())
	}
	return res.GetResult(), nil
}

// restart starts the server anew, with nothing of its files in the system's memory.
func (b *bench) restart(ctx context.Context) error {
	if err := b.alone.Stop(); err != nil {
		return err
	}
	if err := forgetFiles(b.alone.Dir); err != nil {
		return err
	}
	if err := b.alone.Start(ctx); err != nil {
		return err
	}
	return b.alone.AwaitReady(ctx)
}

// forgetFiles takes the files below a folder out of the system's page cache.
func forgetFiles(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path) //nolint:gosec // below the folder of the bench
		if err != nil {
			return err
		}
		defer f.Close() //nolint:errcheck // nothing was written
		if err := f.Sync(); err != nil {
			return err
		}
		return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	})
}

// sizeOf returns how many bytes the files below a folder have.
func sizeOf(dir string) (sum int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			sum += info.Size()
		}
		return nil
	}) // it is for information
	return sum
}

// call makes a request and returns its answer.
func call(ctx context.Context, method, url string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %.500s", method, req.URL.Path, res.Status, answer)
	}
	return answer, err
}
