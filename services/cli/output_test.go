package cli

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
)

func TestTable(t *testing.T) {
	t.Parallel()
	x := newTable("FIELD NAME", "VALUE", "LAST")
	x.row("a", "", "")
	x.row("longer than that", "1", "two words")
	x.row("tab\tand\nline\x1b[31m\u0085", "ä", "")
	var text, csv strings.Builder
	if err := x.csv(&csv); err != nil {
		t.Fatal(err)
	}
	if want := "field_name,value,last\na,,\nlonger than that,1,two words\n\"tab\tand\nline\x1b[31m\u0085\",ä,\n"; csv.String() != want {
		t.Errorf("CSV: %q", csv.String())
	}
	x.rows[0] = []string{"FIELD NAME", "VALUE", "LAST"}
	if err := x.text(&text); err != nil {
		t.Fatal(err)
	}
	want := "FIELD NAME          VALUE  LAST\n" +
		"a\n" +
		"longer than that    1      two words\n" +
		"tab.and.line.[31m.  ä\n"
	if text.String() != want {
		t.Errorf("got\n%s\nwant\n%s", text.String(), want)
	}
}

func TestStamp(t *testing.T) {
	t.Parallel()
	for want, at := range map[string]*timestamppb.Timestamp{
		"-":                    nil,
		"2023-11-14T22:13:20Z": timestamppb.New(time.Unix(1700000000, 5e8)),
	} {
		if got := stamp(at); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 16 << 20: "16.0 MiB", 3 << 40: "3.0 TiB", 1 << 62: "4096.0 PiB",
	} {
		if got := size(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
}

func TestPartitionText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		p    *statusv1.Partition
		want string
	}{
		{&statusv1.Partition{FirstOffset: 1, NextOffset: 1, HeadOffset: 1}, "empty, nothing stored yet"},
		{&statusv1.Partition{FirstOffset: 24, NextOffset: 24, HeadOffset: 24, CommittedOffset: 24}, "empty, stored up to 23"},
		{&statusv1.Partition{FirstOffset: 1, NextOffset: 2, HeadOffset: 1, Bytes: 500, LagMs: 20}, "records 1 to 1, 500 B; nothing read yet, nothing stored yet, lag 20ms"},
		{&statusv1.Partition{FirstOffset: 5, NextOffset: 9, HeadOffset: 8, CommittedOffset: 7, Bytes: 2048, LagMs: 61500}, "records 5 to 8, 2.0 KiB; read up to 7, stored up to 6, lag 1m1.5s"},
	} {
		if got := partitionText(c.p); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}
