//go:build linux

package amqptest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/esolutions/esmon/services/freeport"
)

// startTimeout bounds the start of a node on a busy machine.
const startTimeout = 3 * time.Minute

// Options say what kind of brokers to run.
type Options struct {
	// Nodes is how many form the cluster; 1 if it is 0.
	Nodes int
	// Config are further lines of rabbitmq.conf, the same for all nodes.
	Config []string
	// DiskBytes is how much must be free on the disk, or publishing is blocked; the
	// broker's own default if it is 0.
	DiskBytes int64
	// Dir is where the brokers' folders go, reachable by the user they run as. If
	// empty, a temporary folder that Close removes: a test's own is closed to
	// everybody but root.
	Dir string
}

// Cluster is the brokers that know each other; one node is a cluster, too.
type Cluster struct {
	Nodes []*Node

	dir    string
	remove bool // dir with Close
	cookie string
	who    *syscall.Credential
	found  programs

	epmdPort int
	epmd     *process
}

// Start runs brokers and returns when they answer. Who starts them must Close
// them.
func Start(ctx context.Context, opts Options) (c *Cluster, err error) {
	c = &Cluster{dir: opts.Dir, cookie: newCookie()}
	if c.found, err = findPrograms(); err != nil {
		return nil, err
	}
	if c.who, err = owner(); err != nil {
		return nil, err
	}
	count := max(opts.Nodes, 1)
	ports, err := freeport.Find(1 + 2*count)
	if err != nil {
		return nil, err
	}
	c.epmdPort = ports[0]
	if c.dir == "" {
		if c.dir, err = temporary(); err != nil {
			return nil, err
		}
		c.remove = true
	}
	for i := range count {
		name := fmt.Sprintf("esmon%d-%d@localhost", i+1, ports[1+2*i])
		c.Nodes = append(c.Nodes, &Node{Name: name, c: c, dir: filepath.Join(c.dir, "node"+strconv.Itoa(i+1)), port: ports[1+2*i], distPort: ports[2+2*i]})
	}
	if err := c.start(ctx, opts); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context, opts Options) error {
	for _, n := range c.Nodes {
		if err := layout(n.dir, c.cookie, c.config(n, opts), c.who); err != nil {
			return err
		}
	}
	var err error
	// In the foreground and as our child: a port mapper that a broker starts for
	// itself outlives it.
	c.epmd, err = c.launch(filepath.Join(c.dir, "epmd.log"), c.environment(nil), c.found.epmd, "-port", strconv.Itoa(c.epmdPort), "-address", "127.0.0.1")
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	errs := make([]error, len(c.Nodes))
	for i, n := range c.Nodes {
		wg.Go(func() { errs[i] = n.Start(ctx) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return c.Nodes[0].awaitMembers(ctx)
}

func (c *Cluster) config(n *Node, opts Options) string {
	lines := []string{
		fmt.Sprintf("listeners.tcp.1 = 127.0.0.1:%d", n.port),
		"vm_memory_high_watermark.absolute = 512MB",
		"log.file.level = warning",
		"log.console = false",
		"collect_statistics_interval = 60000",
		// Both halves of an ignored partition go on, and differ for good.
		"cluster_partition_handling = pause_minority",
	}
	if opts.DiskBytes > 0 {
		lines = append(lines, fmt.Sprintf("disk_free_limit.absolute = %d", opts.DiskBytes))
	}
	if len(c.Nodes) > 1 {
		lines = append(lines, "cluster_formation.peer_discovery_backend = classic_config")
		for i, other := range c.Nodes {
			lines = append(lines, fmt.Sprintf("cluster_formation.classic_config.nodes.%d = %s", i+1, other.Name))
		}
	}
	return strings.Join(append(lines, opts.Config...), "\n") + "\n"
}

// environment returns what a node's programs see; nothing of the caller's, which
// could point to the system's broker.
func (c *Cluster) environment(n *Node) []string {
	env := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8",
		"ERL_EPMD_PORT=" + strconv.Itoa(c.epmdPort), "ERL_EPMD_ADDRESS=127.0.0.1",
	}
	if n == nil {
		return env
	}
	at := func(name string) string { return filepath.Join(n.dir, name) }
	return append(env,
		"HOME="+n.dir,
		"RUNNING_UNDER_SYSTEMD=true", // the script then becomes the broker: one process to signal
		"RABBITMQ_NODENAME="+n.Name,
		"RABBITMQ_DIST_PORT="+strconv.Itoa(n.distPort),
		"RABBITMQ_CONF_ENV_FILE="+at("env.conf"),
		"RABBITMQ_CONFIG_FILE="+at("rabbitmq.conf"),
		"RABBITMQ_ENABLED_PLUGINS_FILE="+at("enabled_plugins"),
		"RABBITMQ_MNESIA_BASE="+at("data"),
		"RABBITMQ_LOG_BASE="+at("log"),
		"RABBITMQ_PID_FILE="+at("pid"),
		// One scheduler that sleeps when it has nothing to do; a silent node is noticed
		// within 10 s and not within 75; nothing beyond loopback; what a delay queue could
		// not move at a start is tried again after 5 s and not after 180.
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+S 1:1 +SDio 2 +A 2 +sbwt none +sbwtdcpu none +sbwtdio none -start_epmd false -kernel net_ticktime 8 -kernel inet_dist_use_interface {127,0,0,1} -rabbit dead_letter_worker_publisher_confirm_timeout 5000",
	)
}

// URLs returns where the nodes listen.
func (c *Cluster) URLs() []string {
	var out []string
	for _, n := range c.Nodes {
		out = append(out, n.URL())
	}
	return out
}

// Close ends everything at once.
func (c *Cluster) Close() error {
	var errs []error
	for _, n := range c.Nodes {
		errs = append(errs, n.Kill())
	}
	if c.epmd != nil {
		errs = append(errs, c.epmd.end(syscall.SIGKILL, time.Minute))
	}
	if c.remove {
		errs = append(errs, os.RemoveAll(c.dir))
	}
	return errors.Join(errs...)
}

// process is a child that is ended by its id.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it was waited for
}

// launch runs a program that ends when this process does.
func (c *Cluster) launch(output string, env []string, name string, args ...string) (*process, error) {
	out, err := os.OpenFile(output, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // a path of this package
	if err != nil {
		return nil, fmt.Errorf("open the output of %s: %w", filepath.Base(name), err)
	}
	defer out.Close()                  //nolint:errcheck // the child has its own
	cmd := exec.Command(name, args...) //nolint:gosec // a program of this package's choice
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.Dir = env, out, out, filepath.Dir(output)
	// A group of its own: an interrupt at the terminal is for who started it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.who, Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", filepath.Base(name), err)
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended is of no interest: it was ended, or its absence is noticed
		close(p.done)
	}()
	return p, nil
}

// end sends the signal and waits.
func (p *process) end(sig syscall.Signal, timeout time.Duration) error {
	if p.ended() {
		return nil
	}
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end process %d: %w", p.cmd.Process.Pid, err)
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(timeout):
		return fmt.Errorf("process %d did not end within %s of signal %s", p.cmd.Process.Pid, timeout, sig)
	}
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// tailBytes is how much of a file a message shows.
const tailBytes = 8000

// tail returns the end of a file, for messages.
func tail(path string) string {
	b, err := os.ReadFile(path) //nolint:gosec // a path of this package
	if err != nil {
		return ""
	}
	b = bytes.TrimSpace(b)
	return string(b[max(0, len(b)-tailBytes):])
}
