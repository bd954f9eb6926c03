package fleetsim

import ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"

// ScriptMetric is the gauge of Config.Script.
const ScriptMetric = "fleetsim_script"

// addScript adds the scripted gauge to a batch, under the number.
func addScript(b *ingestv1.Batch, m moment, number uint32, define bool) {
	if define {
		b.Schemas = append(b.Schemas, &ingestv1.SchemaDefinition{Id: number, Columns: []*ingestv1.Column{{
			Name: ScriptMetric, Type: ingestv1.MetricType_METRIC_TYPE_GAUGE, Help: "What the simulation makes of this host.",
		}}})
		b.Entities = append(b.Entities, &ingestv1.EntityDefinition{Id: number})
	}
	b.Frames = append(b.Frames, &ingestv1.Frame{Entity: number, Schema: number, TimestampMs: m.time, Values: []float64{m.script}})
}

// HostName returns the host name of the agent of the number.
func (f *Fleet) HostName(agent int) string { return f.agents[agent].id.hostName }
