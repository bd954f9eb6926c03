package process

import (
	"context"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/kernel"
	"github.com/esolutions/esmon/services/metric"
)

// table asks the kernel for all processes in one call.
type table struct {
	buffer []byte
	owners map[int]owner     // by process id
	names  map[string]string // of accounts, by security id
}

// owner is whose a process is.
type owner struct {
	start uint64
	name  string
}

func newSource(probe.Env) source {
	return &table{buffer: make([]byte, 256<<10), owners: make(map[int]owner), names: make(map[string]string)}
}

func (t *table) read(ctx context.Context) ([]process, limits, error) {
	n, err := t.query()
	if err != nil {
		return nil, limits{}, err
	}
	var all []process
	owners := make(map[int]owner)
	for at := uint32(0); int(at)+int(unsafe.Sizeof(windows.SYSTEM_PROCESS_INFORMATION{})) <= n; {
		if err := ctx.Err(); err != nil {
			return nil, limits{}, err
		}
		// The kernel aligns the entries.
		info := (*windows.SYSTEM_PROCESS_INFORMATION)(unsafe.Pointer(&t.buffer[at])) //nolint:gosec // the documented way to read the answer
		if pid := int(info.UniqueProcessID); pid != 0 {                              // 0 is what CPUs do when idle
			p := t.process(pid, info)
			owners[pid] = owner{p.start, p.name.owner}
			all = append(all, p)
		}
		if info.NextEntryOffset == 0 {
			break
		}
		at += info.NextEntryOffset
	}
	t.owners = owners
	none := metric.Missing()
	return all, limits{none, none, none, none}, nil
}

// maxTable bounds the answer: some 100,000 processes with their threads.
const maxTable = 256 << 20

// query fills the buffer and returns how much of it, growing it as needed.
func (t *table) query() (int, error) {
	for {
		var n uint32
		err := windows.NtQuerySystemInformation(windows.SystemProcessInformation, unsafe.Pointer(&t.buffer[0]), uint32(len(t.buffer)), &n) //nolint:gosec // as above
		if err == nil {
			return int(n), nil
		}
		if !errors.Is(err, windows.STATUS_INFO_LENGTH_MISMATCH) || len(t.buffer) >= maxTable {
			return 0, fmt.Errorf("query system processes: %w", err)
		}
		t.buffer = make([]byte, max(2*len(t.buffer), int(n)+int(n)/4))
	}
}

func (t *table) process(pid int, info *windows.SYSTEM_PROCESS_INFORMATION) process {
	const ticks = 1e7 // a tick is 100 ns
	start := uint64(max(0, info.CreateTime))
	name := kernel.Text(info.ImageName.String())
	if name == "" {
		name = "System"
	}
	return process{
		pid: pid, start: start, state: unknown, name: group{name, t.owner(pid, start)},
		used: used{
			user: float64(info.UserTime) / ticks, system: float64(info.KernelTime) / ticks,
			major: float64(info.HardFaultCount), minor: float64(info.PageFaultCount) - float64(info.HardFaultCount),
		},
		memory: float64(info.WorkingSetSize), virtual: float64(info.VirtualSize), threads: float64(info.NumberOfThreads),
	}
}

// owner returns the account that a process runs as, remembered for its life; ""
// for one that may not be looked at.
func (t *table) owner(pid int, start uint64) string {
	if o, ok := t.owners[pid]; ok && o.start == start {
		return o.name
	}
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(pid)) //nolint:gosec // a process id has 32 bits
	if err != nil {
		return ""
	}
	defer func() { _ = windows.CloseHandle(h) }() // only read
	var token windows.Token
	if err := windows.OpenProcessToken(h, windows.TOKEN_QUERY, &token); err != nil {
		return ""
	}
	defer func() { _ = token.Close() }() // only read
	user, err := token.GetTokenUser()
	if err != nil {
		return ""
	}
	return t.account(user.User.Sid)
}

// account returns the name of an account, its security id if it has none.
func (t *table) account(sid *windows.SID) string {
	id := sid.String()
	if name, ok := t.names[id]; ok {
		return name
	}
	name, _, _, err := sid.LookupAccount("")
	if name = kernel.Text(name); err != nil || name == "" {
		name = id
	}
	t.names[id] = name
	return name
}
