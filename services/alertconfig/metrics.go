package alertconfig

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// register makes the directory's metrics known.
func register(reg prometheus.Registerer, d *Directory) error {
	for _, c := range []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "esmon_alerting_config_problems", Help: "Mistakes in the files of the configuration directory; while there are any, the last good state is in force.",
		}, func() float64 { return float64(len(d.Problems())) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "esmon_alerting_config_read_timestamp_seconds", Help: "When the configuration in force was read, Unix time; 0 if none is.",
		}, func() float64 {
			if l := d.Current(); l != nil {
				return float64(l.Time.UnixMilli()) / 1000
			}
			return 0
		}),
	} {
		if err := reg.Register(c); err != nil {
			return fmt.Errorf("register metrics of the alerting configuration: %w", err)
		}
	}
	return nil
}
