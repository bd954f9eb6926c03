package alertapi

import (
	"context"
	"path"
	"testing/fstest"
	"time"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/rule"
	"github.com/esolutions/esmon/services/rule/ruletest"
)

const (
	// maxText bounds the files of one request together.
	maxText  = 1 << 20
	maxFiles = 100
	// testTime bounds how long unit tests may run.
	testTime = 30 * time.Second
)

// CheckRules implements alertv1.RuleServiceServer.
func (s *Service) CheckRules(_ context.Context, req *alertv1.CheckRulesRequest) (*alertv1.CheckRulesResponse, error) {
	if _, err := readFiles(req.GetFiles()); err != nil {
		return nil, err
	}
	res := &alertv1.CheckRulesResponse{}
	for _, f := range req.GetFiles() {
		file, problems := parseText(f.GetName(), f.GetContent(), s.ruleOptions())
		res.Problems = append(res.Problems, problemMessages(problems)...)
		if file == nil {
			continue
		}
		for _, g := range file.Groups {
			for _, r := range g.Rules {
				m := s.ruleMessage(g, r)
				m.Coverage = 1
				res.Rules = append(res.Rules, m)
			}
		}
	}
	return res, nil
}

func (s *Service) ruleOptions() rule.Options { return rule.Options{Checker: s.deps.Querier} }

// readFiles makes a file system of the files of a request.
func readFiles(lists ...[]*alertv1.TextFile) (fstest.MapFS, error) {
	out, total := fstest.MapFS{}, 0
	for _, list := range lists {
		for _, f := range list {
			name := path.Clean(f.GetName())
			total += len(f.GetContent())
			switch {
			case f.GetName() == "" || path.IsAbs(name) || name == ".." || len(name) > 2 && name[:3] == "../":
				return nil, fault.New(fault.Invalid, "file_name_invalid", "files: %q is no name for a file: use a path such as rules/web.yaml", f.GetName())
			case out[name] != nil:
				return nil, fault.New(fault.Invalid, "file_name_invalid", "files: there are two with the name %s", name)
			case total > maxText, len(out) >= maxFiles:
				return nil, fault.New(fault.Invalid, "files_too_large", "files: the limit is %d files and %d bytes together; use the command line for more", maxFiles, maxText)
			}
			out[name] = &fstest.MapFile{Data: []byte(f.GetContent())}
		}
	}
	return out, nil
}

// TestRules implements alertv1.RuleServiceServer.
func (s *Service) TestRules(ctx context.Context, req *alertv1.TestRulesRequest) (*alertv1.TestRulesResponse, error) {
	files, err := readFiles(req.GetTests(), req.GetRules())
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range req.GetTests() {
		names = append(names, path.Clean(f.GetName()))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, testTime, fault.New(fault.Exhausted, "tests_too_long", "the tests did not end within %s; run them with esmon rules test", testTime))
	defer cancel()
	leave, err := s.inTurn(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	results, err := ruletest.Run(ctx, files, names, ruletest.Options{Rules: s.ruleOptions()})
	if err != nil {
		return nil, context.Cause(ctx)
	}
	res := &alertv1.TestRulesResponse{Passed: true}
	for i := range results {
		r := &results[i]
		name := r.File
		if r.Name != "" {
			name += ": " + r.Name
		}
		res.Results = append(res.Results, &alertv1.TestResult{Name: name, Passed: r.Passed(), Failures: r.Failures})
		res.Passed = res.Passed && r.Passed()
	}
	return res, nil
}
