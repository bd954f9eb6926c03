//go:build linux

package amqptest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.uber.org/goleak"

	"github.com/esolutions/esmon/services/bus/amqp/amqptest"
)

// victimVariable makes the test binary a process that runs a broker until it is
// killed.
const victimVariable = "AMQPTEST_VICTIM"

func TestMain(m *testing.M) {
	if os.Getenv(victimVariable) != "" {
		victim()
	}
	goleak.VerifyTestMain(m)
}

func victim() {
	c, err := amqptest.Start(context.Background(), amqptest.Options{Dir: os.Getenv(victimVariable)})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println(c.Nodes[0].PID())
	select {}
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

func TestFaults(t *testing.T) {
	t.Parallel()
	c := amqptest.Run(t, amqptest.Options{})
	n := c.Nodes[0]
	url, err := n.AddVhost(t.Context(), "apart")
	if err != nil {
		t.Fatal(err)
	}
	declare := func(url string) {
		t.Helper()
		conn, err := amqp.Dial(url)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		ch, err := conn.Channel()
		if err == nil {
			_, err = ch.QueueDeclare("q", true, false, false, false, amqp.Table{"x-queue-type": "stream"})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	declare(url)
	if err := n.DeleteQueue(t.Context(), "apart", "q"); err != nil {
		t.Error(err)
	}
	if err := n.DeleteQueue(t.Context(), "apart", "q"); err == nil {
		t.Error("a queue that is not there was deleted")
	}
	if err := n.SetDiskFull(t.Context(), true); err != nil {
		t.Error(err)
	}
	if err := n.SetDiskFull(t.Context(), false); err != nil {
		t.Error(err)
	}
	before := n.PID()
	if err := n.Pause(); err != nil {
		t.Error(err)
	}
	if conn, err := amqp.DialConfig(n.URL(), amqp.Config{Dial: amqp.DefaultDial(time.Second)}); err == nil {
		_ = conn.Close()
		t.Error("a paused broker answered")
	}
	if err := n.Resume(); err != nil {
		t.Error(err)
	}
	if err := n.Kill(); err != nil || n.PID() != 0 || alive(before) {
		t.Errorf("kill: %v, process %d", err, n.PID())
	}
	if err := n.Pause(); err == nil {
		t.Error("a dead broker was paused")
	}
	if err := n.Start(t.Context()); err != nil || n.PID() == before {
		t.Errorf("start: %v", err)
	}
	declare(url) // what was declared before a kill may be declared again
	after := n.PID()
	if err := c.Close(); err != nil || alive(after) {
		t.Errorf("close: %v", err)
	}
}

// TestEndsWithWhoStartedIt: nothing is left when the process that runs brokers is
// killed.
func TestEndsWithWhoStartedIt(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "amqptest-victim-") // t.TempDir is closed to the broker's user
	if err == nil {
		err = os.Chmod(dir, 0o711)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), victimVariable+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	line, err := bufio.NewReader(out).ReadString('\n')
	if _, scanErr := fmt.Sscan(strings.TrimSpace(line), &pid); err != nil || scanErr != nil {
		t.Errorf("the broker did not start: %q, %v", line, errors.Join(err, scanErr))
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	for deadline := time.Now().Add(time.Minute); pid != 0 && alive(pid); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("broker %d is still there", pid)
		}
	}
	left, err := exec.Command("pgrep", "-f", dir).Output()
	if err == nil {
		t.Errorf("left are processes %q", left)
	}
}
