//go:build linux

package amqptest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// poll is how often it is looked whether something has happened.
const poll = 100 * time.Millisecond

// Node is one broker.
type Node struct {
	Name string // in the cluster

	c              *Cluster
	dir            string
	port, distPort int

	mu      sync.Mutex // guards what follows
	process *process
}

// URL returns where it listens, for the virtual host / and the user guest.
func (n *Node) URL() string { return n.url("/") }

func (n *Node) url(vhost string) string {
	return fmt.Sprintf("amqp://guest:guest@127.0.0.1:%d/%s", n.port, url.PathEscape(vhost))
}

// Address returns host and port of AMQP.
func (n *Node) Address() string { return "127.0.0.1:" + strconv.Itoa(n.port) }

// Start runs the node, if it does not run, and waits until it answers.
func (n *Node) Start(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process == nil || n.process.ended() {
		p, err := n.c.launch(n.outputPath(), n.c.environment(n), n.c.found.server)
		if err != nil {
			return err
		}
		n.process = p
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := n.await(ctx, n.process); err != nil {
		return fmt.Errorf("start broker %s: %w: %s", n.Name, err, tail(n.outputPath()))
	}
	return nil
}

// Log returns the end of what the node logged.
func (n *Node) Log() string { return tail(filepath.Join(n.dir, "log", n.Name+".log")) }

func (n *Node) outputPath() string { return filepath.Join(n.dir, "output") }

func (n *Node) await(ctx context.Context, p *process) error {
	var err error
	for {
		var conn *amqp.Connection
		dial := amqp.DefaultDial(5 * time.Second)
		if conn, err = amqp.DialConfig(n.URL(), amqp.Config{Dial: dial}); err == nil {
			return conn.Close() //nolint:wrapcheck // the caller says what was attempted
		}
		select {
		case <-p.done:
			return errors.New("it ended")
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(poll):
		}
	}
}

// awaitMembers waits until all nodes of the cluster know each other.
func (n *Node) awaitMembers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	want := strconv.Itoa(len(n.c.Nodes))
	for {
		got, err := n.Eval(ctx, runningMembers)
		if err == nil && got == want {
			return nil
		}
		if err := pause(ctx, poll); err != nil {
			return fmt.Errorf("form a cluster of %s nodes, %s are there: %w", want, got, err)
		}
	}
}

// Stop ends the node in good order.
func (n *Node) Stop() error { return n.end(syscall.SIGTERM) }

// Kill ends the node at once, as kill -9 does. It ends a paused one, too.
func (n *Node) Kill() error { return n.end(syscall.SIGKILL) }

func (n *Node) end(sig syscall.Signal) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process == nil {
		return nil
	}
	return n.process.end(sig, 2*time.Minute)
}

// Restart stops the node in good order and starts it again.
func (n *Node) Restart(ctx context.Context) error {
	if err := n.Stop(); err != nil {
		return err
	}
	return n.Start(ctx)
}

// Pause stops the node where it stands: connections stay open and nothing
// answers. It returns when that is so.
func (n *Node) Pause() error {
	if err := n.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return waitStopped(n.PID())
}

// Resume lets a paused node go on. One of a cluster that the others gave up
// meanwhile, after about 10 s, may stay apart from them until it is restarted:
// RabbitMQ notices only sometimes that it was away.
func (n *Node) Resume() error { return n.signal(syscall.SIGCONT) }

func (n *Node) signal(sig syscall.Signal) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process == nil || n.process.ended() {
		return fmt.Errorf("broker %s does not run", n.Name)
	}
	if err := n.process.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("send signal %s to broker %s: %w", sig, n.Name, err)
	}
	return nil
}

// PID returns the broker's process; 0 if it does not run.
func (n *Node) PID() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process == nil || n.process.ended() {
		return 0
	}
	return n.process.cmd.Process.Pid
}

// callers counts what is run in nodes.
var callers atomic.Int64

// Eval runs Erlang in the node and returns the value as Erlang writes it.
func (n *Node) Eval(ctx context.Context, code string) (string, error) {
	// A name of its own: two callers of one name push each other out.
	caller := fmt.Sprintf("call%d-%d", os.Getpid(), callers.Add(1))
	cmd := exec.CommandContext(ctx, n.c.found.call, "-sname", n.Name, "-h", caller, "-e", "-fetch_stdout", "-timeout", "60") //nolint:gosec // for tests, by tests
	cmd.Env, cmd.Stdin, cmd.Dir = n.c.environment(n), strings.NewReader(code+"\n"), n.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: n.c.who, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil {
		return text, fmt.Errorf("run %q in broker %s: %w: %s", code, n.Name, err, text)
	}
	value, ok := strings.CutPrefix(text, "{ok, ")
	if !ok {
		return text, fmt.Errorf("run %q in broker %s: %s", code, n.Name, text)
	}
	return strings.TrimSuffix(value, "}"), nil
}

// expect runs Erlang whose value must be the one given.
func (n *Node) expect(ctx context.Context, want, code string) error {
	got, err := n.Eval(ctx, code)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("run %q in broker %s: got %s, want %s", code, n.Name, got, want)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err() //nolint:wrapcheck // the caller says what was attempted
	case <-time.After(d):
		return nil
	}
}
