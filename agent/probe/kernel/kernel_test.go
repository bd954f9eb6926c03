package kernel_test

import (
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/esolutions/esmon/agent/probe/kernel"
)

func TestNumber(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{"0": 0, "42": 42, "18446744073709551615": 1 << 64, "9007199254740993": 9007199254740992} {
		if got := kernel.Number(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
	for _, text := range []string{"", "-1", "+1", "1.5", "0x1", "1e3", "18446744073709551616", " 1", "NaN"} {
		if got := kernel.Number(text); !math.IsNaN(got) {
			t.Errorf("%q: %v, want missing", text, got)
		}
	}
}

func TestReal(t *testing.T) {
	t.Parallel()
	if got := kernel.Real("0.34"); got != 0.34 {
		t.Errorf("0.34: %v", got)
	}
	for _, text := range []string{"", "-0.1", "NaN", "Inf", "1e19", "x"} {
		if got := kernel.Real(text); !math.IsNaN(got) {
			t.Errorf("%q: %v, want missing", text, got)
		}
	}
}

func TestNamed(t *testing.T) {
	t.Parallel()
	v := kernel.Named([]byte("MemTotal:  12 kB\nHugePages_Total:  3\npgfault 7\npgfault 8\nalone\n\nbad x\nActive(anon): 1 kB"))
	for name, want := range map[string]float64{"MemTotal": 12288, "HugePages_Total": 3, "pgfault": 7, "Active(anon)": 1024} {
		if got := v.Get(name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	for _, name := range []string{"alone", "bad", "nothing"} {
		if got := v.Get(name); !math.IsNaN(got) {
			t.Errorf("%s: %v, want missing", name, got)
		}
	}
}

func TestPairs(t *testing.T) {
	t.Parallel()
	v := kernel.Pairs([]byte("sockets: used 17\nTCP: inuse 1 orphan 2 tw\nUDP:\n"))
	if v.Get("sockets used") != 17 || v.Get("TCP orphan") != 2 || !math.IsNaN(v.Get("TCP tw")) {
		t.Errorf("%v", v)
	}
}

func TestHeaded(t *testing.T) {
	t.Parallel()
	v := kernel.Headed([]byte("Tcp: In Out\nTcp: 5 -1 9\nIp: a\nUdp: x y\nUdp: 1\nlast"))
	if v.Get("Tcp In") != 5 || !math.IsNaN(v.Get("Tcp Out")) || v.Get("Udp x") != 1 || !math.IsNaN(v.Get("Udp y")) || !math.IsNaN(v.Get("Ip a")) {
		t.Errorf("%v", v)
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", " a b\n": "a b", "a\x00b": "a\uFFFDb", "\xff\xfe": "\uFFFD", "ä": "ä", "\t": "",
		strings.Repeat("x", 300): strings.Repeat("x", 200), strings.Repeat("x", 199) + "ä": strings.Repeat("x", 199),
	} {
		if got := kernel.Text(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzParsers(f *testing.F) {
	f.Add([]byte("Tcp: In Out\nTcp: 5 -1 9\n"))
	f.Add([]byte("MemTotal: 12 kB\n"))
	f.Add([]byte("a: b 18446744073709551615 c\n\xff: \xff 1"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, values := range []kernel.Values{kernel.Named(text), kernel.Pairs(text), kernel.Headed(text)} {
			for name, v := range values {
				if v < 0 || math.IsInf(v, 0) {
					t.Errorf("%q: %v", name, v)
				}
			}
		}
		if s := kernel.Text(string(text)); !utf8.ValidString(s) || len(s) > 200 {
			t.Errorf("%q is no label value", s)
		}
	})
}
