// Command esmon-agent measures its host and sends what it measured to the
// platform.
package main

import (
	"os"

	"github.com/esolutions/esmon/agent/cli"
)

// version is set when the program is built.
var version = "dev"

func main() {
	os.Exit(cli.Main(cli.Program{
		Version: version, Args: os.Args[1:], Environ: os.Environ(), Stdout: os.Stdout, Stderr: os.Stderr,
	}))
}
