package ruletest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// file is a file of unit tests.
type file struct {
	RuleFiles          []string       `yaml:"rule_files"`
	EvaluationInterval model.Duration `yaml:"evaluation_interval"`
	GroupEvalOrder     []string       `yaml:"group_eval_order"`
	Tests              []test         `yaml:"tests"`
	FuzzyCompare       bool           `yaml:"fuzzy_compare"`
}

// test is series and what is expected of the rules over them.
type test struct {
	Interval        model.Duration    `yaml:"interval"`
	InputSeries     []series          `yaml:"input_series"`
	AlertRuleTests  []alertTest       `yaml:"alert_rule_test"`
	PromqlExprTests []exprTest        `yaml:"promql_expr_test"`
	ExternalLabels  map[string]string `yaml:"external_labels"`
	ExternalURL     string            `yaml:"external_url"`
	Name            string            `yaml:"name"`
	StartTimestamp  timestamp         `yaml:"start_timestamp"`
}

type series struct {
	Series string `yaml:"series"`
	Values string `yaml:"values"`
}

type alertTest struct {
	EvalTime  model.Duration  `yaml:"eval_time"`
	Alertname string          `yaml:"alertname"`
	ExpAlerts []expectedAlert `yaml:"exp_alerts"`
}

type expectedAlert struct {
	ExpLabels      map[string]string `yaml:"exp_labels"`
	ExpAnnotations map[string]string `yaml:"exp_annotations"`
}

type exprTest struct {
	Expr       string           `yaml:"expr"`
	EvalTime   model.Duration   `yaml:"eval_time"`
	ExpSamples []expectedSample `yaml:"exp_samples"`
}

type expectedSample struct {
	Labels    string  `yaml:"labels"`
	Value     float64 `yaml:"value"`
	Histogram string  `yaml:"histogram"`
}

// timestamp is a time that is written as RFC 3339 or in Unix seconds.
type timestamp struct{ time.Time }

// UnmarshalYAML implements [yaml.Unmarshaler].
func (t *timestamp) UnmarshalYAML(n *yaml.Node) error {
	if seconds, err := strconv.ParseFloat(n.Value, 64); err == nil && math.Abs(seconds) < math.MaxInt64/1e9 {
		whole, rest := math.Modf(seconds)
		t.Time = time.Unix(int64(whole), int64(rest*float64(time.Second))).UTC()
		return nil
	}
	parsed, err := time.Parse(time.RFC3339Nano, n.Value)
	if err != nil {
		return fmt.Errorf("line %d: cannot parse %q to a valid timestamp; write 2026-01-31T12:00:00Z or Unix seconds", n.Line, n.Value)
	}
	t.Time = parsed
	return nil
}

// maxFile is how large a file of tests may be.
const maxFile = 16 << 20

// read reads a file of tests. Rule files that it names by patterns are found.
func read(fsys fs.FS, name string) (*file, error) {
	content, err := readFile(fsys, name)
	if err != nil {
		return nil, err
	}
	f := &file{}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	if err := decoder.Decode(f); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if f.EvaluationInterval == 0 {
		f.EvaluationInterval = model.Duration(time.Minute)
	}
	for i, group := range f.GroupEvalOrder {
		if slices.Contains(f.GroupEvalOrder[:i], group) {
			return nil, fmt.Errorf("group name repeated in evaluation order: %s", group)
		}
	}
	f.RuleFiles, err = findFiles(fsys, path.Dir(name), f.RuleFiles)
	return f, err
}

// findFiles returns the files that the patterns match, which are relative to the
// folder of the tests.
func findFiles(fsys fs.FS, dir string, patterns []string) (found []string, err error) {
	for _, pattern := range patterns {
		if path.IsAbs(pattern) {
			return nil, fmt.Errorf("rule file %s: name it relative to the file of tests", pattern)
		}
		full := path.Join(dir, pattern)
		if !fs.ValidPath(full) {
			return nil, fmt.Errorf("rule file %s: it lies outside of the folder that may be read", pattern)
		}
		names, err := fs.Glob(fsys, full)
		if err != nil {
			return nil, fmt.Errorf("rule file %s: %w", pattern, err)
		}
		for _, name := range names {
			if !slices.Contains(found, name) {
				found = append(found, name)
			}
		}
	}
	return found, nil
}

func readFile(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open the file of tests or rules: %w", err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(content) > maxFile {
		return nil, fmt.Errorf("%s has more than %d bytes; split it", name, maxFile)
	}
	return content, nil
}
