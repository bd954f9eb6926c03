package mtls_test

import (
	"strings"
	"testing"

	"github.com/esolutions/esmon/services/mtls"
)

func TestSelfCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []mtls.Cipher{"", mtls.ChaCha20, mtls.System} {
		if err := mtls.SelfCheck(c); err != nil {
			t.Errorf("cipher %q: %v", c, err)
		}
	}
	err := mtls.SelfCheck("aes")
	if err == nil || !strings.Contains(err.Error(), `tls.cipher is "aes": use "chacha20" or "system"`) {
		t.Errorf("unknown setting: %v", err)
	}
}
