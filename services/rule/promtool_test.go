package rule_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/esolutions/esmon/services/rule"
)

// The program itself may be older than the library that reference_test.go compares
// with: what the two disagree about is left out here.
func TestThirdPartyFilesAreTakenAsByPromtool(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatalf("promtool is needed: install the package prometheus, as make test does: %v", err)
	}
	compared, refused := 0, 0
	for _, name := range thirdPartyFiles(t, "testdata/thirdparty") {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, deviates := deviations[filepath.Base(name)]; deviates || !looksLikeRules(content) {
			continue
		}
		output, err := exec.CommandContext(t.Context(), promtool, "check", "rules", name).CombinedOutput()
		taken := err == nil
		if taken != (len(prometheusErrors(content)) == 0) {
			continue
		}
		compared++
		if !taken {
			refused++
		}
		if _, problems := rule.Parse(name, content, rule.Options{Checker: promChecker{}}); taken != (len(problems) == 0) {
			t.Errorf("%s: promtool says\n%s\nand here it is\n%v", name, output, problems)
		}
	}
	t.Logf("compared %d files, of which %d are refused", compared, refused)
	if compared < 50 || refused < 20 {
		t.Errorf("only %d files were compared, %d of them refused", compared, refused)
	}
}
