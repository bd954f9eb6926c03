package app

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/alertapi"
	"github.com/esolutions/esmon/services/alertconfig"
	"github.com/esolutions/esmon/services/alerting"
	"github.com/esolutions/esmon/services/alerting/detail"
	"github.com/esolutions/esmon/services/alerting/ruleseries"
	"github.com/esolutions/esmon/services/alerting/watermark"
	"github.com/esolutions/esmon/services/cluster"
	"github.com/esolutions/esmon/services/notify"
	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/rule"
	"github.com/esolutions/esmon/services/rule/eval"
)

// AlertingConfig is everything about alerts but their delivery.
type AlertingConfig struct {
	alerting.Config `yaml:",inline"`
	// Where people find the dashboard, such as https://esmon.example.com; links in
	// notifications begin with it. Empty takes http.address, with the host's name where
	// that is for all addresses.
	ExternalURL string `yaml:"external_url"`
	// The files with rules, routes and receivers.
	Files alertconfig.Config `yaml:"files"`
	// File with the key that signs the links in notifications: 32 bytes or more. Every
	// node with target alerting needs the same. Empty takes link.key in data_dir, which
	// is made if it is not there.
	LinkKeyFile string `yaml:"link_key_file"`
}

// alertingLease is who evaluates the rules.
const alertingLease = "alerting/leader"

// alerts is what this process has of alerting.
type alerts struct {
	files     *alertconfig.Directory
	evaluator *query.Evaluator
	receivers *receivers
	links     *alertapi.Links
	watermark *watermark.Tracker
	alerting  *alerting.Alerting
	dispatch  *deliverer
	planner   notify.Options
	units     *units
	service   *alertapi.Service
}

// buildAlertFiles reads the configuration directory of alerting, and makes the
// receivers.
func (a *App) buildAlertFiles(_ context.Context, p *platform) (err error) {
	if !a.cfg.runsAny(cluster.Alerting, cluster.Dispatch) {
		return nil
	}
	p.alerts = &alerts{}
	checker, err := query.NewEvaluator(a.cfg.Query, query.NewMemory(), a.log)
	if err != nil {
		return err
	}
	cfg := a.cfg.Alerting.Files
	if cfg.Dir == "" {
		cfg.Dir = a.path(alertingName)
	}
	if p.alerts.files, err = alertconfig.Open(cfg, alertconfig.Options{Checker: checker, RunbookBase: a.externalURL()}, time.Now, a.log, a.reg); err != nil {
		return err
	}
	a.add("files of alerting", p.alerts.files.Run)
	a.ready = append(a.ready, readiness{name: "alerting", target: cluster.Alerting, check: p.alerts.files.Ready})
	p.alerts.receivers = newReceivers(p.alerts.files, a.log)
	a.add("receivers", p.alerts.receivers.Run)
	return nil
}

// buildWatermark makes what knows how complete the data is, before storage is told to
// tell it.
func (a *App) buildWatermark(_ context.Context, p *platform) error {
	if !a.cfg.runs(cluster.Alerting) {
		return nil
	}
	p.alerts.watermark = watermark.New(watermark.Deps{Log: p.ingest, Agents: p.registry.Presences, Now: time.Now}, a.log)
	return nil
}

// buildAlerting makes what evaluates rules.
func (a *App) buildAlerting(_ context.Context, p *platform) (err error) {
	if !a.cfg.runs(cluster.Alerting) {
		return nil
	}
	x := p.alerts
	if x.evaluator, err = query.NewEvaluator(a.cfg.Query, query.TSDB(p.tsdb), a.log); err != nil {
		return err
	}
	x.units = &units{db: p.tsdb}
	key, err := linkKey(a.cfg.Alerting.LinkKeyFile, a.path(linkKeyName))
	if err != nil {
		return err
	}
	external := a.externalURL()
	x.links = alertapi.NewLinks(key)
	x.planner = notify.Options{ExternalURL: external, Sign: x.links.Sign, DependsOn: x.dependencies}
	planner := notify.New(x.routes(), x.planner)
	deps := alerting.Deps{
		Store: p.db.alerts, Queries: alerting.NewReader(x.evaluator), Data: x.watermark, Planner: planner, Rules: newRuleFiles(x.files),
		Recorder: ruleseries.New(p.ingest, time.Now).Write, Holder: p.id.name,
		Eval:   eval.Options{ExternalURL: external, GeneratorURL: func(r *rule.Rule) string { return external + "/rules/" + pathEscape(r.ID) }},
		Enrich: x.details(a),
	}
	if p.db.shared {
		leases, err := a.leases(p.db.leases, p.id.name)
		if err != nil {
			return err
		}
		deps.Lease = leases(alertingLease)
	}
	if x.alerting, err = alerting.New(a.cfg.Alerting.Config, deps, a.log, a.reg); err != nil {
		return err
	}
	a.add("alerting", x.alerting.Run)
	a.add("routes of alerting", func(ctx context.Context) error { return x.followRoutes(ctx, planner) })
	return nil
}

// details returns what adds to notifications what only queries know.
func (x *alerts) details(a *App) func(context.Context, []alert.Notification) {
	adder := detail.New(detail.Deps{Querier: x.evaluator, Rule: x.rule, Unit: x.units.Unit}, a.log)
	return func(ctx context.Context, list []alert.Notification) {
		if err := notify.Enrich(ctx, list, adder.Add); err != nil {
			a.log.WarnContext(ctx, "notifications go without details", "error", err)
		}
	}
}

func (x *alerts) rule(id string) (*rule.Rule, bool) {
	l := x.files.Current()
	if l == nil {
		return nil, false
	}
	_, r, ok := l.Rule(id)
	return r, ok
}

func (x *alerts) dependencies(id string) []rule.Dependency {
	if r, ok := x.rule(id); ok {
		return r.DependsOn
	}
	return nil
}

func (x *alerts) routes() *notify.Config {
	if l := x.files.Current(); l != nil {
		return l.Routes
	}
	return notify.DefaultConfig()
}

// followRoutes gives the planner the routes whenever the files changed.
func (x *alerts) followRoutes(ctx context.Context, planner *notify.Planner) error {
	changed := x.files.Changed()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
		x.alerting.Planning(func() {
			planner.SetConfig(x.routes())
			planner.SetDependencies(x.dependencies)
		})
		x.alerting.Wake()
	}
}

// buildAlertService makes what answers questions about alerts.
func (a *App) buildAlertService(_ context.Context, p *platform) error {
	if !a.cfg.runs(cluster.Alerting) {
		return nil
	}
	x := p.alerts
	x.service = alertapi.New(alertapi.Deps{
		Store: p.db.alerts, Config: x.files, Receivers: x.receivers.Set, Rules: x.alerting, Dispatch: x.dispatch.Dispatch,
		Querier: x.evaluator, Unit: x.units.Unit, Links: x.links, Changed: func() { x.alerting.Wake(); x.dispatch.Wake() },
		Planner: x.planner, Leader: p.leader(),
	}, a.log)
	return nil
}

// leader returns the way to the process that evaluates the rules, nil if it can only be
// this one.
func (p *platform) leader() *alertapi.Leader {
	if !p.db.shared || p.others == nil {
		return nil
	}
	return &alertapi.Leader{Conn: p.others.leader, Self: p.id.name, Name: func(ctx context.Context) (string, error) {
		list, err := p.db.leases.Leases(ctx)
		if err != nil {
			return "", fmt.Errorf("read who evaluates the rules: %w", err)
		}
		for _, l := range list {
			if l.Name == alertingLease {
				name, _, _ := strings.Cut(l.Holder, "/") // what follows tells its runs apart
				return name, nil
			}
		}
		return "", nil
	}}
}

// externalURL returns where people find the dashboard, without a slash at its end.
func (a *App) externalURL() string {
	if a.cfg.Alerting.ExternalURL != "" {
		return trimSlash(a.cfg.Alerting.ExternalURL)
	}
	host, port, err := net.SplitHostPort(a.cfg.HTTP.Address)
	if ip := net.ParseIP(host); err != nil || host != "" && (ip == nil || !ip.IsUnspecified()) {
		return "http://" + a.cfg.HTTP.Address
	}
	// It listens on all addresses; none of them is one to follow a link to.
	name, err := os.Hostname()
	if err != nil {
		name = "localhost"
	}
	return "http://" + net.JoinHostPort(name, port)
}

// ruleFiles are the rules as alerting wants them.
type ruleFiles struct {
	files   *alertconfig.Directory
	changed <-chan struct{}
}

func newRuleFiles(files *alertconfig.Directory) *ruleFiles {
	return &ruleFiles{files: files, changed: files.Changed()}
}

// Current implements alerting.Rules.
func (r *ruleFiles) Current() ([]*rule.Group, bool) {
	l := r.files.Current()
	if l == nil {
		return nil, false
	}
	return l.Groups(), true
}

// Changed implements alerting.Rules.
func (r *ruleFiles) Changed() <-chan struct{} { return r.changed }

// Validate returns every mistake in the settings.
func (c *AlertingConfig) Validate() error {
	if err := checkURL(c.ExternalURL); err != nil {
		return fmt.Errorf("external_url: %w", err)
	}
	return nil
}

var _ alerting.Data = (*watermark.Tracker)(nil)
