package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Endpoints is where a running server can be reached.
type Endpoints struct {
	HTTP     string `json:"http"`               // dashboard and REST, or health checks, host:port
	GRPC     string `json:"grpc,omitempty"`     // agents, host:port; empty without a collector
	Internal string `json:"internal,omitempty"` // other nodes, host:port; empty where there are none
}

const endpointsName = "endpoints.json"

// writeEndpoints writes the addresses for scripts to find; they see the file whole
// or not at all.
func writeEndpoints(dir string, e Endpoints) error {
	b, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the endpoints: %w", err)
	}
	path := filepath.Join(dir, endpointsName)
	if err := os.WriteFile(path+".new", append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the endpoints: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write the endpoints: %w", err)
	}
	return nil
}

// removeEndpoints removes the file: what it says is true no longer.
func removeEndpoints(dir string) error {
	if err := os.Remove(filepath.Join(dir, endpointsName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the endpoints: %w", err)
	}
	return nil
}
