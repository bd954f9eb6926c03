package pgtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// installHint says what to do where there is no PostgreSQL.
const installHint = "install PostgreSQL 15 or later (Debian: apt-get install postgresql), or put initdb and postgres into PATH"

// binaries returns the folder with the programs of the newest PostgreSQL
// installed.
func binaries() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", fmt.Errorf("look for PostgreSQL: %w", err)
	}
	if len(found) > 0 {
		return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })), nil
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", fmt.Errorf("no PostgreSQL in /usr/lib/postgresql/*/bin or PATH: %s", installHint)
	}
	// postgres finds its other files from where it really lies.
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", fmt.Errorf("look for PostgreSQL: %w", err)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(path), "postgres")); err != nil {
		return "", fmt.Errorf("there is %s but no server beside it: %s", path, installHint)
	}
	return filepath.Dir(path), nil
}

// version returns the number in /usr/lib/postgresql/15/bin/initdb.
func version(path string) int {
	n, _ := strconv.Atoi(strings.Split(path, "/")[4]) // 0 if it is none
	return n
}
