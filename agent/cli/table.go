package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/spf13/cobra"
)

// output is how a result is printed.
type output string

// outputFlag adds -o.
func outputFlag(cmd *cobra.Command) *output {
	o := output("table")
	cmd.Flags().VarP(&o, "output", "o", "table or json")
	return &o
}

// Set reads the flag's text.
func (o *output) Set(text string) error {
	if text != "table" && text != "json" {
		return fmt.Errorf("%q is unknown; write table or json", text)
	}
	*o = output(text)
	return nil
}

// String returns the name of the format.
func (o *output) String() string { return string(*o) }

// Type names the value in help.
func (*output) Type() string { return "format" }

// table is rows under a header.
type table struct{ rows [][]string }

func newTable(header ...string) *table { return &table{rows: [][]string{header}} }

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) print(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range t.rows {
		if _, err := fmt.Fprintln(tw, strings.TrimRight(clean(strings.Join(r, "\t")), "\t")); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	if err := tw.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// clean takes out what could steer a terminal: names of devices and processes
// are others' text.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return '�'
	}, s)
}
