package gateway

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"

	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
	"github.com/esolutions/esmon/services/fault"
)

// healthz says that the process answers, and nothing more.
func healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "ok\n")
}

// readiness is the answer of /readyz.
type readiness struct {
	Ready   bool     `json:"ready"`
	Reasons []string `json:"reasons"` // why not
}

// readyz says whether every part of this process can do its work, and if not, why.
func readyz(platform statusv1.StatusServiceClient) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
		defer cancel()
		answer := readiness{Reasons: []string{}}
		st, err := platform.GetStatus(ctx, &statusv1.GetStatusRequest{Local: true})
		if err != nil {
			answer.Reasons = append(answer.Reasons, "the platform does not say how it is: "+fault.FromGRPC(err).Message)
		} else {
			answer.Ready = st.GetReady()
			answer.Reasons = append(answer.Reasons, st.GetReasons()...)
		}
		w.Header().Set("Content-Type", "application/json")
		if !answer.Ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(answer) // the caller is gone, if it fails
	}
}
