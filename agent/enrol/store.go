package enrol

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/esolutions/esmon/agent/smallfile"
)

// Names of the files in the state directory.
const (
	identityFile = "identity.json"
	counterFile  = "connect_counter.json"
)

// ErrNotEnrolled is returned where there is no identity yet.
var ErrNotEnrolled = errors.New("this agent is not enrolled: make a token on the server (esmon token create), then run esmon-agent enroll --server ADDRESS --token TOKEN")

// ErrOtherIdentity is returned by [Store.Replace] where the state directory holds
// another identity than the one in use.
var ErrOtherIdentity = errors.New("the agent was enrolled anew: the identity in use is no longer the one in the state directory")

// Store keeps the identity in the state directory and hands it to connections.
// Its methods may be called at the same time.
type Store struct {
	dir string

	mu       sync.Mutex // guards what follows
	identity *Identity
	counter  counter
}

// counter is the connect counter of an identity.
type counter struct {
	AgentID string `json:"agent_id"`
	Value   uint64 `json:"counter"`
}

// OpenStore reads the identity from the state directory. Without one the error
// is ErrNotEnrolled.
func OpenStore(dir string) (*Store, error) {
	s := &Store{dir: dir}
	i, err := readIdentity(dir)
	if err != nil {
		return nil, err
	}
	s.identity = i
	s.counter, err = readCounter(dir, i.AgentID)
	return s, err
}

func readIdentity(dir string) (*Identity, error) {
	path := filepath.Join(dir, identityFile)
	text, err := smallfile.Read(path, smallfile.Settings)
	if errors.Is(err, os.ErrNotExist) {
		return nil, ErrNotEnrolled
	}
	if err != nil {
		return nil, fmt.Errorf("read the identity: %w", err)
	}
	i, err := unmarshal(text)
	if err != nil {
		return nil, fmt.Errorf("read the identity %s: %w; enrol the agent anew", path, err)
	}
	return i, nil
}

// readCounter returns the counter of the agent; that of an earlier identity
// means nothing.
func readCounter(dir, agentID string) (counter, error) {
	fresh := counter{AgentID: agentID}
	text, err := smallfile.Read(filepath.Join(dir, counterFile), smallfile.Settings)
	if errors.Is(err, os.ErrNotExist) {
		return fresh, nil
	}
	if err != nil {
		return fresh, fmt.Errorf("read the connect counter: %w", err)
	}
	var c counter
	if err := json.Unmarshal(text, &c); err != nil {
		return fresh, fmt.Errorf("read the connect counter %s: %w; enrol the agent anew", filepath.Join(dir, counterFile), err)
	}
	if c.AgentID != agentID {
		return fresh, nil
	}
	return c, nil
}

// Save stores a new identity in the state directory, which is made if it is not
// there, readable for its owner only.
func Save(dir string, i *Identity) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the state directory: %w", err)
	}
	text, err := i.marshal()
	if err != nil {
		return err
	}
	return WriteFile(filepath.Join(dir, identityFile), text)
}

// Identity returns the current identity.
func (s *Store) Identity() *Identity {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.identity
}

// Certificate returns the current certificate, for TLS.
func (s *Store) Certificate() (*tls.Certificate, error) { return s.Identity().Certificate, nil }

// Roots returns the CAs to trust now, for TLS.
func (s *Store) Roots() *x509.CertPool { return s.Identity().Roots }

// Replace stores a renewed identity and uses it from now on, unless another
// process enrolled the agent anew meanwhile: then the error is ErrOtherIdentity.
func (s *Store) Replace(i *Identity) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if kept, err := readIdentity(s.dir); err == nil && !kept.Certificate.Leaf.Equal(s.identity.Certificate.Leaf) {
		return ErrOtherIdentity
	}
	if err := Save(s.dir, i); err != nil {
		return err
	}
	s.identity = i
	return nil
}

// Reload looks whether another process enrolled the agent anew, and tells
// whether it did.
func (s *Store) Reload() (bool, error) {
	i, err := readIdentity(s.dir)
	if err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if i.Certificate.Leaf.Equal(s.identity.Certificate.Leaf) {
		return false, nil
	}
	s.identity = i
	if s.counter.AgentID != i.AgentID {
		s.counter = counter{AgentID: i.AgentID}
	}
	return true, nil
}

// Counter returns the connect counter of the last welcome, 0 before the first.
func (s *Store) Counter() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counter.Value
}

// SetCounter stores the counter of a welcome that the given agent got. It is on
// the disk when SetCounter returns.
func (s *Store) SetCounter(agentID string, value uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if agentID != s.identity.AgentID {
		return fmt.Errorf("the agent is %s now: a welcome for %s means nothing any more", s.identity.AgentID, agentID)
	}
	c := counter{AgentID: agentID, Value: value}
	text, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode the connect counter: %w", err)
	}
	if err := WriteFile(filepath.Join(s.dir, counterFile), text); err != nil {
		return err
	}
	s.counter = c
	return nil
}
