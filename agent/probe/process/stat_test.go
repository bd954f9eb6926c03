package process

import (
	"math"
	"strings"
	"testing"
)

const line = "621 (ngi nx) 1)) S 1 620 620 0 -1 4194624 1210 0 3 0 4200 1250 9 9 20 0 7 0 901 60000000 1400 18446744073709551615 1 1"

func TestParseStat(t *testing.T) {
	t.Parallel()
	s, err := parseStat([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	if string(s.comm) != "ngi nx) 1)" || s.state != sleeping || s.kernel || s.minor != 1210 || s.major != 3 ||
		s.user != 4200 || s.system != 1250 || s.threads != 7 || s.start != 901 || s.virtualBytes != 60000000 || s.rssPage != 1400 {
		t.Errorf("%+v, name %q", s, s.comm)
	}
}

func TestParseStatRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "1", "1 (a", "1 a) S", "1 )(", "1 (a)", "1 (a) ", "1 (a) S", "1 (a) S 1 2 3",
		strings.Replace(line, "4200", "x", 1), strings.Replace(line, "4200", strings.Repeat("9", 40), 1), line[:len(line)/2]} {
		if s, err := parseStat([]byte(text)); err == nil {
			t.Errorf("%q is taken for %+v", text, s)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte(line))
	f.Add([]byte("1 (a) S 1"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if s, err := parseStat(text); err == nil && (s.state < 0 || int(s.state) >= len(stateNames)) {
			t.Errorf("state %d", s.state)
		}
	})
}

func TestStates(t *testing.T) {
	t.Parallel()
	for letters, want := range map[string]state{"R": running, "S": sleeping, "D": blocked, "I": idle, "Tt": stopped, "ZX": defunct, "Kx?": unknown} {
		for _, c := range []byte(letters) {
			if got := stateOf(c); got != want {
				t.Errorf("%c is %s, want %s", c, stateNames[got], stateNames[want])
			}
		}
	}
}

func TestExecutable(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ link, comm, cmdline, want string }{
		{"/usr/sbin/nginx", "nginx", "nginx: worker", "nginx"},
		{"/opt/app (deleted)", "app", "", "app"},
		{"", "bash", "-bash\x00", "bash"},
		{"", "very-long-name-", "/opt/very-long-name-of-a-tool\x00--x", "very-long-name-of-a-tool"},
		{"", "very-long-name-", "very-long-name-: worker process", "very-long-name-"},
		{"", "renamed-by-self", "java\x00-jar", "renamed-by-self"},
		{"", "", "", ""},
	} {
		if got := executable(tc.link, tc.comm, tc.cmdline); got != tc.want {
			t.Errorf("%+v: %q", tc, got)
		}
	}
}

func TestParseOwner(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Name:\tx\nUid:\t1000\t33\t1000\t1000\n": "33", "Uid: 1": "", "": "", "Uid\t1 2 3": "", "Name:\tUid: 1 2\n": "",
	} {
		if got, ok := parseOwner([]byte(text)); got != want || ok != (want != "") {
			t.Errorf("%q: %q %v, want %q", text, got, ok, want)
		}
	}
}

func TestParseUsers(t *testing.T) {
	t.Parallel()
	users := parseUsers("root:x:0:0:root\ntoor:x:0:0\n\n#c\n:x:5:5\nbad:x\nwww-data:x:33:33\n")
	if len(users) != 2 || users["0"] != "root" || users["33"] != "www-data" {
		t.Errorf("%v", users)
	}
}

const psText = `    1 Ss    12345  34567890   1:02.50   3:04.56 Mon Jan  2 15:04:05 2006 root             /sbin/launchd
  501 R+     2048      4096   0:00.00 1-02:03:04.00 Tue Nov 24 04:36:06 2026 anna             /Applications/My App.app/Contents/MacOS/My App
  502 U      2048      4096   0:00.00   0:00.01 Tue Nov 24 04:36:07 2026 anna             (defunct)
  503 I      2048      4096   0:00.00   0:00.01 not a date at all anna x
`

func TestParsePs(t *testing.T) {
	t.Parallel()
	all := parsePs(psText)
	if len(all) != 3 {
		t.Fatalf("%d processes, want 3: %+v", len(all), all)
	}
	p := all[0]
	if p.pid != 1 || p.state != sleeping || p.name != (group{"launchd", "root"}) || p.memory != 12345*1024 || p.virtual != 34567890*1024 ||
		p.used.user != 62.5 || math.Abs(p.used.system-122.06) > 1e-9 || p.start != 1136214245 {
		t.Errorf("%+v", p)
	}
	if p := all[1]; p.name.executable != "My App" || p.used.system != 86400+2*3600+3*60+4 || p.state != running {
		t.Errorf("%+v", p)
	}
	if all[2].state != blocked {
		t.Errorf("%+v", all[2])
	}
}

func FuzzParsePs(f *testing.F) {
	f.Add(psText)
	f.Fuzz(func(t *testing.T, text string) {
		for _, p := range parsePs(text) {
			if !(p.used.user >= 0 && p.used.system >= 0 && p.memory >= 0) {
				t.Errorf("%+v of %q", p, text)
			}
		}
	})
}
