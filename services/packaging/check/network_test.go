package check_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
)

// TestNetworkIsClosed computes what the policies let each target do, and compares
// it with the whole of what it needs.
func TestNetworkIsClosed(t *testing.T) {
	o := load(t)
	closed := slices.ContainsFunc(o.policies, func(p *networkingv1.NetworkPolicy) bool {
		return len(p.Spec.PodSelector.MatchLabels)+len(p.Spec.PodSelector.MatchExpressions) == 0 &&
			len(p.Spec.Ingress)+len(p.Spec.Egress) == 0 && len(p.Spec.PolicyTypes) == 2
	})
	if !closed {
		t.Error("no policy closes both directions for every pod")
	}
	everywhere := []string{"in 8444 from esmon", "out 53 to kube-system", "out 8444 to esmon"}
	want := map[string][]string{
		"control":   {"out 5432 to postgresql"},
		"collector": {"in 8443 from anywhere", "out 5432 to postgresql", "out 5671 to rabbitmq"},
		"storage":   {"out 5432 to postgresql", "out 5671 to rabbitmq"},
		"alerting":  {"out 25 to anywhere", "out 443 to anywhere", "out 465 to anywhere", "out 5432 to postgresql", "out 5671 to rabbitmq", "out 587 to anywhere"},
		"dispatch":  {"out 25 to anywhere", "out 443 to anywhere", "out 465 to anywhere", "out 5432 to postgresql", "out 5671 to rabbitmq", "out 587 to anywhere"},
		"gateway":   {},
	}
	for _, s := range o.sets {
		var have []string
		for _, p := range o.policies {
			if selects(t, &p.Spec.PodSelector, s) {
				have = append(have, allowed(p)...)
			}
		}
		slices.Sort(have)
		have = slices.Compact(have)
		target := s.Spec.Template.Labels[component]
		expected := append(slices.Clone(everywhere), want[target]...)
		slices.Sort(expected)
		if !slices.Equal(have, expected) {
			t.Errorf("%s may do\n  %s\nwant\n  %s", target, strings.Join(have, "\n  "), strings.Join(expected, "\n  "))
		}
	}
}

func allowed(p *networkingv1.NetworkPolicy) []string {
	var out []string
	for _, r := range p.Spec.Ingress {
		for _, port := range ports(r.Ports) {
			for _, peer := range peers(r.From) {
				out = append(out, fmt.Sprintf("in %s from %s", port, peer))
			}
		}
	}
	for _, r := range p.Spec.Egress {
		for _, port := range ports(r.Ports) {
			for _, peer := range peers(r.To) {
				out = append(out, fmt.Sprintf("out %s to %s", port, peer))
			}
		}
	}
	return out
}

func ports(list []networkingv1.NetworkPolicyPort) []string {
	if len(list) == 0 {
		return []string{"any port"}
	}
	var out []string
	for _, p := range list {
		out = append(out, p.Port.String())
	}
	return out
}

func peers(list []networkingv1.NetworkPolicyPeer) []string {
	if len(list) == 0 {
		return []string{"anywhere"}
	}
	var out []string
	for _, p := range list {
		switch {
		case p.NamespaceSelector != nil && p.NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"] != "":
			out = append(out, p.NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"])
		case p.NamespaceSelector == nil && p.PodSelector != nil && p.PodSelector.MatchLabels["app.kubernetes.io/name"] != "":
			out = append(out, p.PodSelector.MatchLabels["app.kubernetes.io/name"])
		default:
			out = append(out, fmt.Sprintf("%+v", p))
		}
	}
	return out
}

// mebibytes reads a GOMEMLIMIT.
func mebibytes(t *testing.T, text string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(strings.TrimSuffix(text, "MiB"), 10, 64)
	if err != nil || !strings.HasSuffix(text, "MiB") {
		t.Fatalf("GOMEMLIMIT %q is no number of MiB", text)
	}
	return n << 20
}
