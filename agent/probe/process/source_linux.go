package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/kernel"
	"github.com/esolutions/esmon/agent/smallfile"
	"github.com/esolutions/esmon/services/metric"
)

// userHZ is the unit of CPU times in /proc/PID/stat, part of the kernel's
// interface to programs.
const userHZ = 100

// procfs reads /proc. One small file a process is read each time; who a process
// is takes three more and is remembered.
type procfs struct {
	env        probe.Env
	page       float64
	buffer     []byte
	identities map[int]*identity
	users      map[string]string // by user id
	usersOf    time.Time         // when /etc/passwd was last changed, as of users
}

// identity is who a process is.
type identity struct {
	start uint64
	comm  string
	name  group
	next  time.Time // when to look again
	seen  bool      // in this round
}

func newSource(env probe.Env) source {
	return &procfs{
		env: env, page: float64(os.Getpagesize()), buffer: make([]byte, 8<<10),
		identities: make(map[int]*identity), users: make(map[string]string),
	}
}

// read lists the processes. One that ends meanwhile, or may not be looked at, is
// left out.
func (s *procfs) read(ctx context.Context) ([]process, limits, error) {
	dir, err := os.Open(s.env.Path("proc"))
	if err != nil {
		return nil, limits{}, err
	}
	names, err := dir.Readdirnames(-1)
	_ = dir.Close() // only read
	if err != nil {
		return nil, limits{}, err
	}
	s.loadUsers()
	now := s.env.Clock()()
	all := make([]process, 0, len(s.identities)+16)
	for i, name := range names {
		if i%256 == 0 && ctx.Err() != nil {
			return nil, limits{}, ctx.Err()
		}
		if pid, err := strconv.Atoi(name); err == nil && pid > 0 {
			if p, ok := s.process(pid, now); ok {
				all = append(all, p)
			}
		}
	}
	s.forget()
	if len(all) == 0 {
		return nil, limits{}, errors.New("no process can be read")
	}
	lim, err := s.limits()
	return all, lim, err
}

// process reads one process.
func (s *procfs) process(pid int, now time.Time) (process, bool) {
	dir := s.env.Path("proc", strconv.Itoa(pid))
	line, err := s.file(dir + "/stat")
	if err != nil {
		return process{}, false
	}
	st, err := parseStat(line)
	if err != nil {
		return process{}, false
	}
	return process{
		pid: pid, start: st.start, state: st.state, name: s.identify(pid, dir, &st, now),
		used: used{
			user: float64(st.user) / userHZ, system: float64(st.system) / userHZ,
			major: float64(st.major), minor: float64(st.minor),
		},
		memory: float64(st.rssPage) * s.page, virtual: float64(st.virtualBytes), threads: float64(st.threads),
	}, true
}

// How long an identity holds. A young process can still change its program and
// its owner, as services do when they give up root; later that is rare.
const identityHolds = 10 * time.Minute

// identify returns the group of a process.
func (s *procfs) identify(pid int, dir string, st *stat, now time.Time) group {
	id := s.identities[pid]
	known := id != nil && id.start == st.start && id.comm == string(st.comm)
	if known && now.Before(id.next) {
		id.seen = true
		return id.name
	}
	comm := string(st.comm)
	next := now // look again the next time
	if known {
		next = now.Add(identityHolds + time.Duration(pid%300)*time.Second) // not all at once
	}
	id = &identity{start: st.start, comm: comm, next: next, seen: true}
	if st.kernel {
		id.name = group{executable: "[kernel]", owner: s.user("0")}
	} else {
		id.name = s.lookUp(dir, comm)
	}
	s.identities[pid] = id
	return id.name
}

// lookUp reads who the process is. The link to its file can be read by root and
// the owner only.
func (s *procfs) lookUp(dir, comm string) group {
	link, err := os.Readlink(dir + "/exe")
	var cmdline string
	if err != nil {
		link = ""
		if b, err := s.file(dir + "/cmdline"); err == nil {
			cmdline = string(b)
		}
	}
	g := group{executable: kernel.Text(executable(link, comm, cmdline))}
	if g.executable == "" {
		g.executable = "unknown"
	}
	if b, err := s.file(dir + "/status"); err == nil {
		if uid, ok := parseOwner(b); ok {
			g.owner = s.user(uid)
		}
	}
	return g
}

func (s *procfs) user(uid string) string {
	if name := kernel.Text(s.users[uid]); name != "" {
		return name
	}
	return uid
}

// loadUsers reads /etc/passwd again if it has changed. Users that are not in it,
// such as those of a directory service, are reported by number.
func (s *procfs) loadUsers() {
	path := s.env.Path("etc", "passwd")
	info, err := os.Stat(path)
	if err != nil || info.ModTime().Equal(s.usersOf) {
		return
	}
	if text, err := smallfile.Read(path, smallfile.Kernel); err == nil {
		s.users, s.usersOf = parseUsers(string(text)), info.ModTime()
	}
}

// forget drops the identities of processes that have ended.
func (s *procfs) forget() {
	for pid, id := range s.identities {
		if !id.seen {
			delete(s.identities, pid)
			continue
		}
		id.seen = false
	}
}

// limits reads figures of the whole host.
func (s *procfs) limits() (limits, error) {
	text, err := smallfile.Read(s.env.Path("proc", "stat"), smallfile.Kernel)
	if err != nil {
		return limits{}, fmt.Errorf("read processes created: %w", err)
	}
	l := limits{created: kernel.Named(text).Get("processes"), processes: metric.Missing(), files: metric.Missing(), filesLimit: metric.Missing()}
	if text, err := smallfile.Read(s.env.Path("proc", "sys", "kernel", "pid_max"), smallfile.Kernel); err == nil {
		l.processes = kernel.Number(strings.TrimSpace(string(text)))
	}
	if text, err := smallfile.Read(s.env.Path("proc", "sys", "fs", "file-nr"), smallfile.Kernel); err == nil {
		f := strings.Fields(string(text))
		l.files, l.filesLimit = kernel.Field(f, 0), kernel.Field(f, 2)
	}
	return l, nil
}

// file reads the beginning of a small file into the buffer, without what
// [os.ReadFile] does beside: with thousands of processes that is what costs.
func (s *procfs) file(path string) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	n, err := unix.Read(fd, s.buffer)
	_ = unix.Close(fd) // only read
	if err != nil {
		return nil, &os.PathError{Op: "read", Path: path, Err: err}
	}
	return bytes.TrimRight(s.buffer[:n], "\n"), nil
}
