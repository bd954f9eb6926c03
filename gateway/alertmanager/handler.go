package alertmanager

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/fault"
)

// maxBody bounds a request.
const maxBody = 16 << 20

// handler answers Alertmanager's API.
type handler struct {
	alerts   alertv1.AlertServiceClient
	silences alertv1.SilenceServiceClient
	delivery alertv1.DeliveryServiceClient
	version  string
	started  time.Time
}

// New returns what answers below /api/v2 of an Alertmanager; it sees paths without what
// comes before that. The platform is asked through the connection.
func New(platform grpc.ClientConnInterface, version string) http.Handler {
	h := &handler{
		alerts: alertv1.NewAlertServiceClient(platform), silences: alertv1.NewSilenceServiceClient(platform),
		delivery: alertv1.NewDeliveryServiceClient(platform), version: version, started: time.Now(),
	}
	mux := http.NewServeMux()
	for pattern, answer := range map[string]func(*http.Request) (any, error){
		"GET /api/v2/status":          h.status,
		"GET /api/v2/receivers":       h.receivers,
		"GET /api/v2/alerts":          h.listAlerts,
		"POST /api/v2/alerts":         h.postAlerts,
		"GET /api/v2/alerts/groups":   h.listGroups,
		"GET /api/v2/silences":        h.listSilences,
		"POST /api/v2/silences":       h.postSilence,
		"GET /api/v2/silence/{id}":    h.getSilence,
		"DELETE /api/v2/silence/{id}": h.deleteSilence,
		"GET /-/healthy":              healthy,
		"GET /-/ready":                healthy,
	} {
		mux.Handle(pattern, answering(answer))
	}
	return mux
}

// healthy says that something is here.
func healthy(*http.Request) (any, error) { return "OK", nil }

// answering writes what a function returns: as JSON, or the error as a text in quotes,
// as Alertmanager has it.
func answering(answer func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		body, err := answer(r)
		code := http.StatusOK
		if err != nil {
			code, body = codeOf(err), messageOf(err)
		}
		write(w, code, body)
	})
}

// write writes an answer; without a body if there is none.
func write(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	if body == nil {
		w.WriteHeader(code)
		return
	}
	text, err := json.Marshal(body)
	if err != nil { // such as a time beyond the year 9999
		code, text = http.StatusInternalServerError, []byte(`"the answer cannot be written as JSON"`)
	}
	w.WriteHeader(code)
	_, _ = w.Write(append(text, '\n')) // nobody is there to read it
}

// badRequest is the sender's mistake.
type badRequest struct{ text string }

func (e *badRequest) Error() string { return e.text }

func refuse(format string, args ...any) error { return &badRequest{fmt.Sprintf(format, args...)} }

func codeOf(err error) int {
	if _, ok := errors.AsType[*badRequest](err); ok {
		return http.StatusBadRequest
	}
	switch status.Code(err) {
	case codes.InvalidArgument, codes.FailedPrecondition, codes.AlreadyExists:
		return http.StatusBadRequest
	case codes.NotFound:
		return http.StatusNotFound
	case codes.PermissionDenied:
		return http.StatusForbidden
	case codes.ResourceExhausted:
		return http.StatusTooManyRequests
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// reasonOf returns the id of what the platform refused.
func reasonOf(err error) string { return fault.FromGRPC(err).Reason }

func messageOf(err error) string {
	if st, ok := status.FromError(err); ok {
		return st.Message()
	}
	return err.Error()
}

// decode reads the body of a request.
func decode(r *http.Request, into any) error {
	err := json.NewDecoder(r.Body).Decode(into)
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return refuse("the request has more than %d bytes; send several", large.Limit)
	}
	if errors.Is(err, io.EOF) {
		return refuse("the request is empty; send JSON")
	}
	if err != nil {
		return refuse("the request is no JSON of the form that api/v2 has: %s", err)
	}
	return nil
}
