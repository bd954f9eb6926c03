package alertmanager

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
)

// amVersion is the version of Alertmanager whose interface this is.
const amVersion = "0.27.0"

func (h *handler) status(r *http.Request) (any, error) {
	config, err := h.config(r)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"cluster": map[string]any{"status": "disabled", "peers": []any{}},
		"config":  map[string]string{"original": config},
		"uptime":  h.started.UTC().Format(time.RFC3339Nano),
		"versionInfo": map[string]string{
			"version": amVersion, "revision": h.version, "branch": "esmon", "buildUser": "", "buildDate": "", "goVersion": runtime.Version(),
		},
	}, nil
}

func (h *handler) receivers(r *http.Request) (any, error) {
	res, err := h.delivery.ListReceivers(r.Context(), &alertv1.ListReceiversRequest{})
	if err != nil {
		return nil, err //nolint:wrapcheck // a status for the caller
	}
	out := []named{}
	for _, x := range res.GetReceivers() {
		out = append(out, named{x.GetName()})
	}
	return out, nil
}

// config returns routes and names of receivers in Alertmanager's form: clients such as
// amtool draw the routes from it.
func (h *handler) config(r *http.Request) (string, error) {
	routes, err := h.delivery.GetRoutes(r.Context(), &alertv1.GetRoutesRequest{})
	if err != nil {
		return "", err //nolint:wrapcheck // a status for the caller
	}
	receivers, err := h.delivery.ListReceivers(r.Context(), &alertv1.ListReceiversRequest{})
	if err != nil {
		return "", err //nolint:wrapcheck // a status for the caller
	}
	var out strings.Builder
	out.WriteString("route:\n")
	known := map[string]bool{}
	for _, x := range receivers.GetReceivers() {
		known[x.GetName()] = true
	}
	writeRoute(&out, routes.GetRoute(), "  ", known)
	out.WriteString("receivers:\n")
	for _, x := range receivers.GetReceivers() {
		fmt.Fprintf(&out, "- name: %q\n", x.GetName())
	}
	if known[nobody] {
		return out.String(), nil
	}
	fmt.Fprintf(&out, "- name: %q\n", nobody)
	return out.String(), nil
}

// nobody stands for a route that has no receiver of its own: one that escalates, or
// tells nobody.
const nobody = "esmon"

func writeRoute(out *strings.Builder, r *alertv1.Route, indent string, known map[string]bool) {
	receiver := r.GetReceiver()
	if !known[receiver] {
		receiver = nobody
	}
	fmt.Fprintf(out, "%sreceiver: %q\n", indent, receiver)
	if len(r.GetGroupBy()) > 0 {
		fmt.Fprintf(out, "%sgroup_by: [%s]\n", indent, quoted(r.GetGroupBy()))
	}
	if len(r.GetMatchers()) > 0 {
		fmt.Fprintf(out, "%smatchers: [%s]\n", indent, quoted(r.GetMatchers()))
	}
	if r.GetContinue() {
		fmt.Fprintf(out, "%scontinue: true\n", indent)
	}
	writeDuration(out, indent+"group_wait", r.GetGroupWait())
	writeDuration(out, indent+"group_interval", r.GetGroupInterval())
	writeDuration(out, indent+"repeat_interval", r.GetRepeatInterval())
	if len(r.GetRoutes()) == 0 {
		return
	}
	fmt.Fprintf(out, "%sroutes:\n", indent)
	for _, child := range r.GetRoutes() {
		fmt.Fprintf(out, "%s- ", indent)
		var text strings.Builder
		writeRoute(&text, child, indent+"  ", known)
		out.WriteString(strings.TrimPrefix(text.String(), indent+"  "))
	}
}

func writeDuration(out *strings.Builder, name string, d *durationpb.Duration) {
	if ms := d.AsDuration().Milliseconds(); ms > 0 {
		fmt.Fprintf(out, "%s: %dms\n", name, ms)
	}
}

func quoted(texts []string) string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = "'" + strings.ReplaceAll(t, "'", "''") + "'"
	}
	return strings.Join(out, ", ")
}
