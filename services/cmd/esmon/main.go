// Command esmon is the platform's server and its command line.
package main

import (
	"context"
	"os"

	"github.com/esolutions/esmon/services/cli"
)

// version is set when the program is built.
var version = "dev"

func main() {
	os.Exit(cli.Main(context.Background(), cli.Program{
		Version: version, Args: os.Args[1:], Environ: os.Environ(), Stdout: os.Stdout, Stderr: os.Stderr,
	}))
}
