package rule_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt" //nolint:depguard // the tests compare with Prometheus itself
	"github.com/prometheus/prometheus/promql/parser" //nolint:depguard // the tests compare with Prometheus itself

	"github.com/esolutions/esmon/services/rule"
)

// promChecker checks PromQL as Prometheus' promtool does.
type promChecker struct{}

func (promChecker) CheckExpr(expr string) error {
	_, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	return err
}

func (promChecker) CheckComparison(expr string) error {
	e, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		return err
	}
	if b, ok := e.(*parser.BinaryExpr); ok && b.Op.IsComparisonOperator() {
		return nil
	}
	return errors.New("it compares with nothing")
}

func prometheusErrors(content []byte) []error {
	_, errs := rulefmt.Parse(content, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	return errs
}

// Files that Prometheus takes and we refuse, or the other way round, and why.
var deviations = map[string]string{
	"utf-8_lname.good.yaml":                "a label of a recorded series that storage does not take",
	"rules-multi-doc-duplicates-bad.rules": "a second document, which Prometheus passes over",
	"rules-multi-doc2-good.rules":          "a second document, which Prometheus passes over",
}

// looksLikeRules tells rule files from unit tests of rules.
func looksLikeRules(content []byte) bool {
	text := string(content)
	return !strings.Contains(text, "\ntests:") && !strings.HasPrefix(text, "rule_files:")
}

func thirdPartyFiles(t *testing.T, root string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && slices.Contains([]string{".yaml", ".yml", ".rules"}, filepath.Ext(name)) {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// rulesDirVariable names a folder with more rule files, to be read as those of the
// test data: nobody need publish theirs.
const rulesDirVariable = "ESMON_RULE_FILES"

func TestThirdPartyFilesAreTakenAsByPrometheus(t *testing.T) {
	t.Parallel()
	roots := []string{"testdata/thirdparty"}
	if more := os.Getenv(rulesDirVariable); more != "" {
		roots = append(roots, more)
	}
	taken, refused := 0, 0
	for _, root := range roots {
		for _, name := range thirdPartyFiles(t, root) {
			content, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if !looksLikeRules(content) {
				continue
			}
			errs := prometheusErrors(content)
			f, problems := rule.Parse(name, content, rule.Options{Checker: promChecker{}})
			if why, ok := deviations[filepath.Base(name)]; ok {
				if (len(errs) == 0) == (len(problems) == 0) {
					t.Errorf("%s is no deviation any more: %s", name, why)
				}
				continue
			}
			switch {
			case len(errs) == 0 && len(problems) > 0:
				t.Errorf("%s: Prometheus takes it, and here:\n%v", name, problems)
			case len(errs) > 0 && len(problems) == 0:
				t.Errorf("%s: Prometheus refuses it, and it is taken here: %v", name, errs)
			case len(errs) > 0:
				refused++
			default:
				taken++
				compareWithPrometheus(t, name, content, f)
			}
		}
	}
	t.Logf("taken %d files, refused %d", taken, refused)
	if taken < 30 || refused < 20 {
		t.Errorf("%d files were taken and %d refused: the test data is not there", taken, refused)
	}
}

// compareWithPrometheus checks that every rule is what Prometheus reads.
func compareWithPrometheus(t *testing.T, name string, content []byte, f *rule.File) {
	t.Helper()
	want, _ := rulefmt.Parse(content, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	if len(f.Groups) != len(want.Groups) {
		t.Fatalf("%s: %d groups instead of %d", name, len(f.Groups), len(want.Groups))
	}
	for i, wg := range want.Groups {
		g := f.Groups[i]
		interval := time.Duration(wg.Interval)
		if interval == 0 {
			interval = time.Minute
		}
		if g.Name != wg.Name || g.Interval != interval || g.Limit != wg.Limit || len(g.Rules) != len(wg.Rules) {
			t.Errorf("%s: group %+v instead of %+v", name, g, wg)
			continue
		}
		for j, wr := range wg.Rules {
			compareRule(t, name, g.Rules[j], wg, wr)
		}
	}
}

func compareRule(t *testing.T, name string, r *rule.Rule, wg rulefmt.RuleGroup, wr rulefmt.Rule) {
	t.Helper()
	labels := map[string]string{}
	for k, v := range wg.Labels {
		labels[k] = v
	}
	for k, v := range wr.Labels {
		labels[k] = v
	}
	if r.Record != wr.Record || r.Alert != wr.Alert || r.Expr != wr.Expr || r.For != time.Duration(wr.For) ||
		r.KeepFiringFor != time.Duration(wr.KeepFiringFor) || !sameMap(r.Labels, labels) || !sameMap(r.Annotations, wr.Annotations) {
		t.Errorf("%s: rule\n%+v instead of\n%+v", name, r, wr)
	}
	for _, text := range r.Annotations {
		if tmpl, err := rule.NewTemplate("x", text); err != nil {
			t.Errorf("%s: template %q: %v", name, text, err)
		} else {
			_, _ = tmpl.Expand(context.Background(), rule.Data{}) // must end
		}
	}
}

func sameMap(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if w, ok := b[k]; !ok || w != v {
			return false
		}
	}
	return true
}
