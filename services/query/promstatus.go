package query

import (
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"
)

// engineVersion is the version of Prometheus whose engine and API this is. Clients
// read features off it. A test holds it to the module's version.
const engineVersion = "3.16.0"

// buildInfo has the fields of Prometheus' build information.
type buildInfo struct {
	Version   string `json:"version"`
	Revision  string `json:"revision"`
	Branch    string `json:"branch"`
	BuildUser string `json:"buildUser"`
	BuildDate string `json:"buildDate"`
	GoVersion string `json:"goVersion"`
}

func (s *Service) promBuildInfo(*http.Request) (*promResponse, error) {
	return plain(buildInfo{
		Version: engineVersion, Revision: s.cfg.Version, Branch: "esmon", GoVersion: runtime.Version(),
	}), nil
}

// runtimeInfo has the fields of Prometheus' runtime information, as far as they
// mean something here.
type runtimeInfo struct {
	StartTime           time.Time `json:"startTime"`
	Hostname            string    `json:"hostname"`
	ServerTime          time.Time `json:"serverTime"`
	ReloadConfigSuccess bool      `json:"reloadConfigSuccess"`
	LastConfigTime      time.Time `json:"lastConfigTime"`
	CorruptionCount     int64     `json:"corruptionCount"`
	GoroutineCount      int       `json:"goroutineCount"`
	GOMAXPROCS          int       `json:"GOMAXPROCS"`
	GOMEMLIMIT          int64     `json:"GOMEMLIMIT"`
	GOGC                string    `json:"GOGC"`
	GODEBUG             string    `json:"GODEBUG"`
}

func (s *Service) promRuntimeInfo(*http.Request) (*promResponse, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "" // not worth failing for
	}
	return plain(runtimeInfo{
		StartTime: s.started.UTC(), Hostname: host, ServerTime: s.now().UTC(),
		ReloadConfigSuccess: true, LastConfigTime: s.started.UTC(),
		GoroutineCount: runtime.NumGoroutine(), GOMAXPROCS: runtime.GOMAXPROCS(0), GOMEMLIMIT: debug.SetMemoryLimit(-1),
		GOGC: os.Getenv("GOGC"), GODEBUG: os.Getenv("GODEBUG"),
	}), nil
}

// promConfig answers with an empty configuration: nothing is scraped here.
func (*Service) promConfig(*http.Request) (*promResponse, error) {
	return plain(map[string]string{"yaml": "global: {}\n"}), nil
}

// promFlags tells the limits under the names that Prometheus has for them.
func (s *Service) promFlags(*http.Request) (*promResponse, error) {
	return plain(map[string]string{
		"query.lookback-delta":  s.cfg.Lookback.String(),
		"query.max-concurrency": strconv.Itoa(s.cfg.MaxConcurrent),
		"query.max-samples":     strconv.Itoa(s.cfg.MaxSamples),
		"query.timeout":         s.cfg.Timeout.String(),
	}), nil
}
