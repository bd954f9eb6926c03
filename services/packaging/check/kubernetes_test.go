package check_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// component is the label that tells the targets apart.
const component = "app.kubernetes.io/component"

func TestPodsFitTheRestrictedProfile(t *testing.T) {
	o := load(t)
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	for _, s := range o.sets {
		result := policy.AggregateCheckResults(evaluator.EvaluatePod(level, &s.Spec.Template.ObjectMeta, &s.Spec.Template.Spec))
		if !result.Allowed {
			t.Errorf("%s: %s: %s", s.Name, result.ForbiddenReason(), result.ForbiddenDetail())
		}
	}
	for _, ns := range o.namespaces {
		if ns.Labels["pod-security.kubernetes.io/enforce"] != "restricted" {
			t.Errorf("namespace %s does not enforce the restricted profile: %v", ns.Name, ns.Labels)
		}
	}
}

func TestEveryTargetIsThere(t *testing.T) {
	o := load(t)
	var have []string
	for _, s := range o.sets {
		have = append(have, s.Spec.Template.Labels[component])
	}
	slices.Sort(have)
	if want := []string{"alerting", "collector", "control", "dispatch", "gateway", "storage"}; !slices.Equal(have, want) {
		t.Errorf("targets %v, want %v", have, want)
	}
}

func TestSelectorsFindTheirPods(t *testing.T) {
	o := load(t)
	for _, s := range o.sets {
		if !selects(t, s.Spec.Selector, s) {
			t.Errorf("StatefulSet %s does not select its own pods", s.Name)
		}
		if i := slices.IndexFunc(o.services, func(x *corev1.Service) bool { return x.Name == s.Spec.ServiceName }); i < 0 {
			t.Errorf("StatefulSet %s: there is no service %s", s.Name, s.Spec.ServiceName)
		} else if o.services[i].Spec.ClusterIP != corev1.ClusterIPNone || !o.services[i].Spec.PublishNotReadyAddresses {
			t.Errorf("service %s: must be headless and list pods that start, which join over it", s.Spec.ServiceName)
		}
		for _, c := range s.Spec.Template.Spec.TopologySpreadConstraints {
			if !selects(t, c.LabelSelector, s) {
				t.Errorf("StatefulSet %s: a constraint on %s spreads other pods", s.Name, c.TopologyKey)
			}
		}
	}
	for _, svc := range o.services {
		if n := matching(t, o.sets, &metav1.LabelSelector{MatchLabels: svc.Spec.Selector}); n != 1 {
			t.Errorf("service %s selects the pods of %d sets, want 1", svc.Name, n)
		}
	}
	for _, b := range o.budgets {
		if n := matching(t, o.sets, b.Spec.Selector); n != 1 {
			t.Errorf("budget %s selects the pods of %d sets, want 1", b.Name, n)
		}
	}
}

// A budget that allows no disruption of a single pod would block every drain.
func TestBudgets(t *testing.T) {
	o := load(t)
	for _, s := range o.sets {
		i := slices.IndexFunc(o.budgets, func(b *policyv1.PodDisruptionBudget) bool { return selects(t, b.Spec.Selector, s) })
		switch several := *s.Spec.Replicas > 1; {
		case several && i < 0:
			t.Errorf("%s has %d replicas and no budget", s.Name, *s.Spec.Replicas)
		case !several && i >= 0:
			t.Errorf("%s has one replica: a budget for it blocks drains or says nothing", s.Name)
		case several && (o.budgets[i].Spec.MaxUnavailable == nil || o.budgets[i].Spec.MaxUnavailable.IntValue() != 1):
			t.Errorf("%s: the budget must allow one pod to be away, whatever the number of replicas", s.Name)
		}
	}
}

func TestPortsAreNamedAndOpen(t *testing.T) {
	o := load(t)
	for _, svc := range o.services {
		for _, p := range svc.Spec.Ports {
			for _, s := range o.sets {
				if labels.SelectorFromSet(svc.Spec.Selector).Matches(labels.Set(s.Spec.Template.Labels)) && port(s, p.TargetPort.StrVal) != p.Port {
					t.Errorf("service %s: %s has no port %s with number %d", svc.Name, s.Name, p.TargetPort.StrVal, p.Port)
				}
			}
		}
	}
}

func TestPodsAreBounded(t *testing.T) {
	for _, s := range load(t).sets {
		spec := s.Spec.Template.Spec
		c := spec.Containers[0]
		memory, ok := c.Resources.Limits[corev1.ResourceMemory]
		if !ok || c.Resources.Requests.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero() {
			t.Errorf("%s: a memory limit and requests of both are needed", s.Name)
		}
		limit := int64(0)
		for _, e := range c.Env {
			if e.Name == "GOMEMLIMIT" {
				limit = mebibytes(t, e.Value)
			}
		}
		if limit == 0 || limit >= memory.Value()*19/20 {
			t.Errorf("%s: GOMEMLIMIT of %d bytes must be set, and below the limit of %d, or the kernel kills before the runtime collects", s.Name, limit, memory.Value())
		}
		if *spec.TerminationGracePeriodSeconds <= 30 {
			t.Errorf("%s: %d s to end are no more than the setting stop_timeout", s.Name, *spec.TerminationGracePeriodSeconds)
		}
		if !*c.SecurityContext.ReadOnlyRootFilesystem || *spec.AutomountServiceAccountToken || *spec.EnableServiceLinks {
			t.Errorf("%s: the root must be read-only; neither a token nor other services' addresses are wanted", s.Name)
		}
		if spec.SecurityContext.FSGroupChangePolicy == nil || *spec.SecurityContext.FSGroupChangePolicy != corev1.FSGroupChangeOnRootMismatch {
			t.Errorf("%s: without fsGroupChangePolicy OnRootMismatch each start opens the keys to the group, and the next one refuses them", s.Name)
		}
	}
}

func TestProbesRunTheProgram(t *testing.T) {
	for _, s := range load(t).sets {
		c := s.Spec.Template.Spec.Containers[0]
		for name, p := range map[string]*corev1.Probe{"startup": c.StartupProbe, "liveness": c.LivenessProbe, "readiness": c.ReadinessProbe} {
			if p == nil || p.Exec == nil {
				t.Errorf("%s: no %s probe that runs a program: HTTP is on loopback", s.Name, name)
				continue
			}
			want := []string{"/usr/bin/esmon", "health", "--http", "127.0.0.1:8080"}
			if name != "readiness" {
				want = append(want, "--alive")
			}
			if !slices.Equal(p.Exec.Command, want) {
				t.Errorf("%s: the %s probe runs %q, want %q", s.Name, name, p.Exec.Command, want)
			}
		}
		// A node that never becomes alive must not be restarted while it joins.
		if p := c.StartupProbe; p != nil && p.PeriodSeconds*p.FailureThreshold < 600 {
			t.Errorf("%s: the start may take 10 minutes and more, the probe ends it after %d s", s.Name, p.PeriodSeconds*p.FailureThreshold)
		}
	}
}

// Volumes and the secrets in them: only what the target needs.
func TestSecretsByTarget(t *testing.T) {
	want := map[string][]string{
		"control":   {"esmon-postgres-control"},
		"collector": {"esmon-amqp", "esmon-join-collector", "esmon-postgres-collector"},
		"storage":   {"esmon-amqp", "esmon-join-storage", "esmon-postgres-storage"},
		"alerting":  {"esmon-amqp", "esmon-join-alerting", "esmon-link-key", "esmon-postgres-alerting", "esmon-receivers"},
		"dispatch":  {"esmon-amqp", "esmon-join-dispatch", "esmon-postgres-dispatch", "esmon-receivers"},
		"gateway":   {"esmon-join-gateway"},
	}
	for _, s := range load(t).sets {
		target := s.Spec.Template.Labels[component]
		volumes, secrets := map[string]bool{"state": true}, []string{}
		for _, v := range s.Spec.Template.Spec.Volumes {
			volumes[v.Name] = true
			if v.Secret == nil {
				continue
			}
			secrets = append(secrets, v.Secret.SecretName)
			if v.Secret.DefaultMode == nil || *v.Secret.DefaultMode != 0o440 {
				t.Errorf("%s: secret %s is not for owner and group alone", s.Name, v.Secret.SecretName)
			}
		}
		slices.Sort(secrets)
		if !slices.Equal(secrets, want[target]) {
			t.Errorf("%s sees the secrets %v, want %v", s.Name, secrets, want[target])
		}
		mounted := map[string]bool{}
		for _, m := range s.Spec.Template.Spec.Containers[0].VolumeMounts {
			mounted[m.Name] = true
		}
		if !maps.Equal(mounted, volumes) {
			t.Errorf("%s: mounts %v, volumes %v", s.Name, mounted, volumes)
		}
	}
}

func TestConfigurationIsThere(t *testing.T) {
	o := load(t)
	for _, s := range o.sets {
		target := s.Spec.Template.Labels[component]
		if want := []string{"serve", "--config", "/etc/esmon/" + target + ".yaml"}; !slices.Equal(s.Spec.Template.Spec.Containers[0].Args, want) {
			t.Errorf("%s: arguments %q, want %q", s.Name, s.Spec.Template.Spec.Containers[0].Args, want)
		}
		if !strings.Contains(o.config(t, "esmon-config")[target+".yaml"], "targets: ["+target+"]") {
			t.Errorf("%s: its configuration is missing or for another target", s.Name)
		}
	}
}

// Those that read the rules and those that deliver see the same files, and each that
// is named is there.
func TestAlertingFilesAreThere(t *testing.T) {
	o := load(t)
	files := o.config(t, "esmon-alerting")
	var first []corev1.KeyToPath
	for _, s := range o.sets {
		target := s.Spec.Template.Labels[component]
		i := slices.IndexFunc(s.Spec.Template.Spec.Volumes, func(v corev1.Volume) bool { return v.ConfigMap != nil && v.ConfigMap.Name == "esmon-alerting" })
		if wants := target == "alerting" || target == "dispatch"; wants != (i >= 0) {
			t.Errorf("%s: sees the files of alerting: %t", s.Name, i >= 0)
		}
		if i < 0 {
			continue
		}
		items := s.Spec.Template.Spec.Volumes[i].ConfigMap.Items
		if first == nil {
			first = items
		}
		if !slices.EqualFunc(items, first, func(a, b corev1.KeyToPath) bool { return a.Key == b.Key && a.Path == b.Path }) {
			t.Errorf("%s: sees other files: %v and %v", s.Name, items, first)
		}
		for _, item := range items {
			if files[item.Key] == "" {
				t.Errorf("%s: names the key %s, which is not in the ConfigMap: its pods would not start", s.Name, item.Key)
			}
		}
		if !strings.Contains(o.config(t, "esmon-config")[target+".yaml"], "{dir: "+mountPath(s, s.Spec.Template.Spec.Volumes[i].Name)+"}") {
			t.Errorf("%s: its configuration names another directory", s.Name)
		}
	}
}

func mountPath(s *appsv1.StatefulSet, volume string) string {
	for _, m := range s.Spec.Template.Spec.Containers[0].VolumeMounts {
		if m.Name == volume {
			return m.MountPath
		}
	}
	return ""
}

func selects(t *testing.T, s *metav1.LabelSelector, set *appsv1.StatefulSet) bool {
	t.Helper()
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		t.Fatal(err)
	}
	return selector.Matches(labels.Set(set.Spec.Template.Labels))
}

func matching(t *testing.T, sets []*appsv1.StatefulSet, s *metav1.LabelSelector) int {
	t.Helper()
	n := 0
	for _, set := range sets {
		if selects(t, s, set) {
			n++
		}
	}
	return n
}

func port(s *appsv1.StatefulSet, name string) int32 {
	for _, p := range s.Spec.Template.Spec.Containers[0].Ports {
		if p.Name == name {
			return p.ContainerPort
		}
	}
	return 0
}
