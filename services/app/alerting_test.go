package app

import (
	"os"
	"testing"
)

func TestExternalURL(t *testing.T) {
	t.Parallel()
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ address, set, want string }{
		{"127.0.0.1:8080", "", "http://127.0.0.1:8080"},
		{"mon1.example.com:8080", "", "http://mon1.example.com:8080"},
		{"[::1]:8080", "", "http://[::1]:8080"},
		{":8080", "", "http://" + name + ":8080"},
		{"0.0.0.0:8080", "", "http://" + name + ":8080"},
		{"[::]:8080", "", "http://" + name + ":8080"},
		{"0.0.0.0:8080", "https://esmon.example.com/", "https://esmon.example.com"},
	} {
		var a App
		a.cfg.HTTP.Address, a.cfg.Alerting.ExternalURL = c.address, c.set
		if got := a.externalURL(); got != c.want {
			t.Errorf("%q, %q: %s, want %s", c.address, c.set, got, c.want)
		}
	}
}
