package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/alertconfig"
	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/rule"
	"github.com/esolutions/esmon/services/rule/ruletest"
)

func rulesCommand(p *Program) *cobra.Command {
	cmd := group("rules", "Alerting and recording rules")
	cmd.AddCommand(rulesList(p), rulesCheck(p), rulesTest(p), rulesBacktest(p), rulesRouteTest(p))
	return cmd
}

func rulesList(p *Program) *cobra.Command {
	req := &alertv1.ListRulesRequest{}
	cmd := &cobra.Command{Use: "list", Short: "List the rules that are evaluated, and how they are", Args: noArgs}
	c, format := connectionFlags(cmd, p), formatFlag(cmd)
	cmd.Flags().StringVar(&req.NameContains, "name", "", "only rules whose name contains this text")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.do(cmd.Context(), func(ctx context.Context, conn grpc.ClientConnInterface) error {
			res, err := alertv1.NewRuleServiceClient(conn).ListRules(ctx, req)
			if err != nil {
				return err
			}
			for _, x := range res.GetProblems() {
				warn(p, []string{problemText(x)})
			}
			return format.print(p.Stdout, res, func() *table { return ruleTable(res.GetRules()) })
		})
	}
	return cmd
}

func ruleTable(rules []*alertv1.Rule) *table {
	t := newTable("RULE", "GROUP", "HEALTH", "FIRING", "PENDING", "HELD", "EVALUATED", "FILE")
	for _, r := range rules {
		health := r.GetHealth()
		if r.GetLastError() != "" {
			health += ": " + r.GetLastError()
		}
		t.row(r.GetName(), r.GetGroup(), health, fmt.Sprint(r.GetFiring()), fmt.Sprint(r.GetPending()), fmt.Sprint(r.GetHeld()), stamp(r.GetEvaluationTime()), r.GetFile())
	}
	return t
}

func problemText(x *alertv1.Problem) string {
	return alert.Problem{File: x.GetFile(), Line: int(x.GetLine()), Column: int(x.GetColumn()), Field: x.GetField(), Message: x.GetMessage()}.Error()
}

// errFound says that a check found mistakes, which were printed.
var errFound = errors.New("there are mistakes")

func rulesCheck(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check PATH...",
		Short: "Say every mistake in rule files, or in a whole configuration directory",
		Long: "Reads rule files, or a directory with rules, routes and receivers as it is\n" +
			"configured by alerting.files.dir, and prints every mistake with file, line and field.\n" +
			"Nothing is asked of a server. Ends with 1 if there is any mistake.",
		Args: someArgs("a rule file or a configuration directory"),
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		checker, err := newChecker()
		if err != nil {
			return err
		}
		found, rules := 0, 0
		for _, path := range args {
			problems, n, err := checkPath(path, checker)
			if err != nil {
				return err
			}
			found, rules = found+len(problems), rules+n
			for _, x := range problems {
				if _, err := fmt.Fprintln(p.Stdout, x.Error()); err != nil {
					return err
				}
			}
		}
		if found > 0 {
			return errFound
		}
		_, err = fmt.Fprintf(p.Stdout, "%d rules are good\n", rules)
		return err
	}
	return cmd
}

// newChecker returns what tells whether PromQL is good, without any data.
func newChecker() (*query.Evaluator, error) {
	return query.NewEvaluator(query.DefaultConfig(), query.NewMemory(), slog.New(slog.DiscardHandler))
}

func checkPath(path string, checker rule.Checker) (problems []alert.Problem, rules int, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if info.IsDir() {
		return checkDirectory(path, checker)
	}
	content, err := os.ReadFile(path) //nolint:gosec // it is what was asked for
	if err != nil {
		return nil, 0, err
	}
	file, problems := rule.Parse(path, content, rule.Options{Checker: checker})
	if file == nil {
		return problems, 0, nil
	}
	for _, g := range file.Groups {
		rules += len(g.Rules)
	}
	return problems, rules, nil
}

func checkDirectory(path string, checker rule.Checker) (problems []alert.Problem, rules int, err error) {
	l, problems, err := alertconfig.Read(os.DirFS(path), alertconfig.Options{Checker: checker, Dir: path}, time.Now())
	if err != nil || l == nil {
		return problems, 0, err
	}
	for _, g := range l.Groups() {
		rules += len(g.Rules)
	}
	return nil, rules, nil
}

func rulesTest(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "test FILE...",
		Short: "Run unit tests of rules, in the form that promtool has",
		Args:  someArgs("a file with tests"),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		names := make([]string, len(args))
		for i, a := range args {
			abs, err := filepath.Abs(a)
			if err != nil {
				return err
			}
			names[i] = strings.TrimPrefix(filepath.ToSlash(abs), "/")
		}
		results, err := ruletest.Run(cmd.Context(), os.DirFS("/"), names, ruletest.Options{})
		if err != nil {
			return err
		}
		return printTests(p, results)
	}
	return cmd
}

func printTests(p *Program, results []ruletest.Result) error {
	failed := 0
	for i := range results {
		r := &results[i]
		verdict := "ok"
		if !r.Passed() {
			verdict = "FAILED"
			failed++
		}
		if _, err := fmt.Fprintf(p.Stdout, "%-6s  /%s  %s\n", verdict, r.File, r.Name); err != nil {
			return err
		}
		for _, text := range r.Failures {
			if _, err := fmt.Fprintln(p.Stdout, "        "+strings.ReplaceAll(text, "\n", "\n        ")); err != nil {
				return err
			}
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d tests failed", failed, len(results))
	}
	return nil
}

func someArgs(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usage("%s is missing; write `%s`", name, cmd.UseLine())
		}
		return nil
	}
}
