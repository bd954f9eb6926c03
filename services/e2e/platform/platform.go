package platform

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/esolutions/esmon/services/bus/amqp/amqptest"
	"github.com/esolutions/esmon/services/db/postgres/pgtest"
)

// Options say what to run.
type Options struct {
	Bin        string   // the built esmon
	Dir        string   // for the data of its processes
	Brokers    int      // nodes of RabbitMQ; 1 if 0
	Standby    bool     // a standby of PostgreSQL beside the primary
	Collectors int      // 1 if 0
	Storage    int      // storage nodes; 1 if 0
	Alerting   int      // nodes that evaluate rules; none if 0
	Dispatch   int      // nodes that deliver; none if 0
	Files      string   // configuration directory of alerting
	Relays     int      // each in the way of the agents of a site
	Env        []string // for all processes, NAME=value

	// Of an installation that is taken over: the data directory of control, the
	// database with what was stored (it is removed with the platform), and where the
	// first collector listens for agents.
	ControlDir string
	Postgres   *pgtest.Server
	Agents     string
}

// Platform is the running platform. Its methods are called by one goroutine at a
// time.
type Platform struct {
	MQ       *amqptest.Cluster
	PG       *pgtest.Cluster // with a standby
	Postgres *pgtest.Server  // without one

	Control, Gateway    *Process
	Collectors, Storage []*Process
	Alerting, Dispatch  []*Process
	Relays              []*Process

	o         Options
	addresses map[string][]string // of the internal ports, through proxies, by target
}

// Start starts the engines and all processes, and returns when each is ready. What
// it started must be closed, also after an error.
func Start(ctx context.Context, o Options) (*Platform, error) {
	o.Brokers, o.Collectors, o.Storage = max(o.Brokers, 1), max(o.Collectors, 1), max(o.Storage, 1)
	p := &Platform{o: o, addresses: map[string][]string{}}
	if err := p.startEngines(ctx); err != nil {
		return p, err
	}
	if err := p.prepare(); err != nil {
		return p, err
	}
	if err := p.startProcesses(ctx); err != nil {
		return p, err
	}
	return p, p.AwaitReady(ctx)
}

func (p *Platform) startEngines(ctx context.Context) error {
	return all([]func() error{
		func() (err error) {
			p.MQ, err = amqptest.Start(ctx, amqptest.Options{Nodes: p.o.Brokers})
			return err
		},
		func() (err error) {
			switch {
			case p.o.Postgres != nil:
				p.Postgres = p.o.Postgres
			case p.o.Standby:
				p.PG, err = pgtest.StartCluster(ctx, pgtest.Options{})
			default:
				p.Postgres, err = pgtest.StartServer(ctx, pgtest.Options{Durable: true})
			}
			return err
		},
	}, func(f func() error) error { return f() })
}

// prepare gives each process a name, a folder, its addresses, and ways to the
// engines of its own.
func (p *Platform) prepare() error {
	var err error
	one := func(name, target string) *Process {
		x, e := p.newProcess(name, target)
		err = errors.Join(err, e)
		return x
	}
	p.Control = one("control", "control")
	for i := range p.o.Storage {
		p.Storage = append(p.Storage, one(fmt.Sprintf("storage-%d", i+1), "storage"))
	}
	for i := range p.o.Collectors {
		p.Collectors = append(p.Collectors, one(fmt.Sprintf("collector-%d", i+1), "collector"))
	}
	for i := range p.o.Alerting {
		p.Alerting = append(p.Alerting, one(fmt.Sprintf("alerting-%d", i+1), "alerting"))
	}
	for i := range p.o.Dispatch {
		p.Dispatch = append(p.Dispatch, one(fmt.Sprintf("dispatch-%d", i+1), "dispatch"))
	}
	p.Gateway = one("gateway", "gateway")
	for i := range p.o.Relays {
		p.Relays = append(p.Relays, one(fmt.Sprintf("relay-%d", i+1), "relay"))
	}
	if err != nil {
		return err
	}
	if p.o.ControlDir != "" {
		p.Control.Dir = p.o.ControlDir
	}
	if p.o.Agents != "" {
		p.Collectors[0].GRPC = p.o.Agents
	}
	for _, x := range p.Relays {
		if err := p.outOfSite(x); err != nil {
			return err
		}
	}
	for _, x := range p.Processes() {
		if x.Target == "relay" {
			continue
		}
		x.env = append(x.env,
			"ESMON_CLUSTER_CONTROL="+strings.Join(p.addresses["control"], ","),
			"ESMON_CLUSTER_STORAGE="+strings.Join(p.addresses["storage"], ","),
			"ESMON_CLUSTER_ALERTING="+strings.Join(p.addresses["alerting"], ","),
			"ESMON_ALERTING_FILES_DIR="+p.o.Files,
			"ESMON_CLUSTER_COLLECTOR="+strings.Join(p.addresses["collector"], ","))
	}
	return nil
}

// outOfSite gives a relay ways of its own to the centre.
func (p *Platform) outOfSite(x *Process) error {
	for _, target := range []string{"control", "collector"} {
		var list []string
		for _, address := range p.addresses[target] {
			way, err := x.ways.to(address)
			if err != nil {
				return err
			}
			list = append(list, way)
		}
		x.env = append(x.env, "ESMON_CLUSTER_"+strings.ToUpper(target)+"="+strings.Join(list, ","))
	}
	return nil
}

func (p *Platform) newProcess(name, target string) (*Process, error) {
	x := &Process{Name: name, Target: target, Dir: filepath.Join(p.o.Dir, name), bin: p.o.Bin, ways: newProxies(name), HTTP: "127.0.0.1:0", GRPC: "127.0.0.1:0"}
	log, err := os.Create(filepath.Join(p.o.Dir, name+".log")) //nolint:gosec // below the folder that the caller gives
	if err != nil {
		return nil, err
	}
	x.log = log
	if x.Internal, err = freeAddress(); err != nil {
		return nil, err
	}
	way, err := x.ways.to(x.Internal)
	if err != nil {
		return nil, err
	}
	p.addresses[target] = append(p.addresses[target], way)
	env, err := p.engines(x)
	x.env = append(env, p.o.Env...)
	return x, err
}

// engines returns where the process finds RabbitMQ and PostgreSQL.
func (p *Platform) engines(x *Process) ([]string, error) {
	if x.Target == "gateway" || x.Target == "relay" {
		return nil, nil
	}
	var urls, hosts []string
	var errs []error
	through := func(address string) string {
		way, err := x.ways.to(address)
		errs = append(errs, err)
		return way
	}
	for i, n := range p.MQ.Nodes {
		urls = append(urls, strings.Replace(p.MQ.URLs()[i], n.Address(), through(n.Address()), 1))
	}
	servers := []*pgtest.Server{p.Postgres}
	if p.PG != nil {
		servers = []*pgtest.Server{p.PG.A, p.PG.B}
	}
	for _, s := range servers {
		hosts = append(hosts, through(s.Address()))
	}
	dsn := "postgres://postgres@" + strings.Join(hosts, ",") + "/postgres?sslmode=disable"
	return []string{"ESMON_AMQP_URL=" + strings.Join(urls, ","), "ESMON_POSTGRES_DSN=" + dsn}, errors.Join(errs...)
}

// freeAddress returns an address that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// startProcesses starts control, lets the others join, and starts them.
func (p *Platform) startProcesses(ctx context.Context) error {
	if err := p.Control.Start(ctx); err != nil {
		return err
	}
	others := slices.Concat(p.Storage, p.Collectors, p.Alerting, p.Dispatch, p.Relays, []*Process{p.Gateway})
	if err := all(others, func(x *Process) error { return p.join(ctx, x) }); err != nil {
		return err
	}
	// Agents come through a proxy, too.
	return all(append(append([]*Process{}, p.Collectors...), p.Relays...), func(x *Process) error {
		var err error
		x.agentsWay, err = x.ways.to(x.GRPC)
		return err
	})
}

func (p *Platform) join(ctx context.Context, x *Process) error {
	token, err := p.Control.command(ctx, "node", "token", "create", "--name", x.Name, "--target", x.Target)
	if err != nil {
		return err
	}
	known := x.env
	x.env = append(append([]string{}, known...), "ESMON_CLUSTER_JOIN_TOKEN="+token)
	err = x.Start(ctx)
	x.env = known
	return err
}

// Processes returns all processes in the order in which they start.
func (p *Platform) Processes() []*Process {
	return slices.Concat([]*Process{p.Control}, p.Storage, p.Collectors, p.Alerting, p.Dispatch, []*Process{p.Gateway}, p.Relays)
}

// AgentsAddress returns where agents connect, all collectors separated by commas.
func (p *Platform) AgentsAddress() string {
	var list []string
	for _, x := range p.Collectors {
		list = append(list, x.agentsWay)
	}
	return strings.Join(list, ",")
}

// RelayAddress returns where the agents of a site connect, all relays separated by
// commas.
func (p *Platform) RelayAddress() string {
	var list []string
	for _, x := range p.Relays {
		list = append(list, x.agentsWay)
	}
	return strings.Join(list, ",")
}

// URL returns where people and programs ask.
func (p *Platform) URL() string { return "http://" + p.Gateway.HTTP }

// Token returns an enrolment token for so many agents.
func (p *Platform) Token(ctx context.Context, uses int) (string, error) {
	return p.Control.command(ctx, "token", "create", "--uses", fmt.Sprint(uses), "--ttl", "24h")
}

// AwaitReady returns when every process says that it is ready.
func (p *Platform) AwaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return all(p.Processes(), func(x *Process) error {
		return Eventually(ctx, func() error { return x.Ready(ctx) })
	})
}

// Leader returns the storage node that stores partition 0.
func (p *Platform) Leader(ctx context.Context) (*Process, error) {
	for _, x := range p.Storage {
		if !x.Running() {
			continue
		}
		if v, err := x.Metric(ctx, "esmon_storage_leads", `partition="0"`); err == nil && v == 1 {
			return x, nil
		}
	}
	return nil, errors.New("no storage node stores partition 0")
}

// CutOff lets no process reach the engine's server at the address any more.
func (p *Platform) CutOff(address string) error {
	return all(p.Processes(), func(x *Process) error { return x.ways.cutTo(address) })
}

// Heal lets every process reach everything again.
func (p *Platform) Heal(ctx context.Context) {
	for _, x := range p.Processes() {
		x.Heal(ctx)
	}
}

// Close ends everything and removes what the engines kept.
func (p *Platform) Close() error {
	var errs []error
	for _, x := range p.Processes() {
		if x == nil {
			continue
		}
		if x.Running() {
			_ = x.Resume() // of one that is paused
			errs = append(errs, x.Kill())
		}
		x.ways.close()
		errs = append(errs, x.log.Close())
	}
	if p.MQ != nil {
		errs = append(errs, p.MQ.Close())
	}
	if p.PG != nil {
		errs = append(errs, p.PG.Remove())
	}
	if p.Postgres != nil {
		errs = append(errs, p.Postgres.Remove())
	}
	return errors.Join(errs...)
}
