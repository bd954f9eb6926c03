package cli

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// format is how a result is printed.
type format string

// formatFlag adds -o; JSON is what the REST interface answers.
func formatFlag(cmd *cobra.Command) *format {
	f := format("table")
	cmd.Flags().VarP(&f, "output", "o", "table, json or csv")
	return &f
}

// Set reads the flag's text.
func (f *format) Set(text string) error {
	switch text {
	case "table", "json", "csv":
		*f = format(text)
		return nil
	}
	return fmt.Errorf("write table, json or csv")
}

// String returns the name of the format.
func (f *format) String() string { return string(*f) }

// Type names the value in help.
func (*format) Type() string { return "format" }

// print writes the message, as a table made by tabulate unless JSON is asked for.
func (f *format) print(w io.Writer, m proto.Message, tabulate func() *table) error {
	switch *f {
	case "json":
		return printJSON(w, m)
	case "csv":
		return tabulate().csv(w)
	}
	return tabulate().text(w)
}

func printJSON(w io.Writer, m proto.Message) error {
	b, err := protojson.MarshalOptions{EmitUnpopulated: true}.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	// protojson varies its white space from build to build, on purpose.
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "  "); err != nil {
		return fmt.Errorf("indent the answer: %w", err)
	}
	_, err = fmt.Fprintln(w, out.String())
	return err
}

// table is rows under a header.
type table struct {
	rows [][]string
	// verbatim is a header that is data, labels' names, so that CSV keeps its case.
	verbatim bool
}

func newTable(header ...string) *table { return &table{rows: [][]string{header}} }

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) text(w io.Writer) error {
	var out bytes.Buffer
	tw := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	for _, r := range t.rows {
		for i, cell := range r {
			// Text of senders must neither break the table nor steer the terminal.
			r[i] = strings.Map(printable, cell)
		}
		if _, err := fmt.Fprintln(tw, strings.Join(r, "\t")); err != nil {
			return err
		}
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(out.String()) {
		// An empty last cell leaves the space before it.
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

func printable(r rune) rune {
	if r < ' ' || r >= 0x7f && r < 0xa0 {
		return '.'
	}
	return r
}

func (t *table) csv(w io.Writer) error {
	cw := csv.NewWriter(w)
	for i, r := range t.rows {
		if i == 0 && !t.verbatim {
			for j := range r {
				r[j] = strings.ToLower(strings.ReplaceAll(r[j], " ", "_"))
			}
		}
		if err := cw.Write(r); err != nil {
			return err
		}
	}
	cw.Flush()
	return cw.Error()
}

// stamp prints a time; none as a dash.
func stamp(t *timestamppb.Timestamp) string {
	if t == nil {
		return "-"
	}
	return t.AsTime().UTC().Format(time.RFC3339)
}
