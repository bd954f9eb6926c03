package metric

import "strings"

// unitWords translates UCUM codes to the words that Prometheus names end in.
// The list is that of the OpenTelemetry specification, "Prometheus and
// OpenMetrics Compatibility", for the units that probes use.
var unitWords = map[string]string{
	"d": "days", "h": "hours", "min": "minutes", "s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds",
	"By": "bytes", "KiBy": "kibibytes", "MiBy": "mebibytes", "GiBy": "gibibytes", "kBy": "kilobytes", "MBy": "megabytes",
	"Cel": "celsius", "V": "volts", "A": "amperes", "W": "watts", "J": "joules", "Hz": "hertz", "%": "percent", "m": "meters", "g": "grams",
}

// perWords translates the part of a unit behind the slash.
var perWords = map[string]string{
	"s": "second", "m": "minute", "min": "minute", "h": "hour", "d": "day",
}

// Translate turns an OpenTelemetry metric name and UCUM unit into the final
// Prometheus name, by the rules of the specification named at unitWords: dots
// become underscores, the unit's word is appended, a gauge of unit 1 ends in
// _ratio, a counter in _total. Words already there are not repeated.
//
//	Translate("system.cpu.time", "s", Counter) = "system_cpu_time_seconds_total"
func Translate(name, unit string, t Type) string {
	words := strings.FieldsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != ':'
	})
	for _, w := range unitSuffix(unit, t) {
		words = moveLast(words, w)
	}
	if t == Counter {
		words = moveLast(words, "total")
	}
	out := strings.Join(words, "_")
	if out != "" && out[0] >= '0' && out[0] <= '9' {
		out = "_" + out
	}
	return out
}

// LabelName turns an OpenTelemetry attribute name into a Prometheus label name.
func LabelName(attribute string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, attribute)
}

// unitSuffix returns the words that a unit adds to a name.
func unitSuffix(unit string, t Type) []string {
	if unit == "1" && t == Gauge {
		return []string{"ratio"}
	}
	main, per, isRate := strings.Cut(unit, "/")
	var words []string
	if w := unitWords[annotationFree(main)]; w != "" {
		words = append(words, w)
	}
	if w := perWords[annotationFree(per)]; isRate && w != "" {
		words = append(words, "per", w)
	}
	return words
}

// annotationFree drops UCUM annotations such as {process}: they are for people.
func annotationFree(unit string) string {
	if i := strings.IndexByte(unit, '{'); i >= 0 {
		return unit[:i]
	}
	return unit
}

// moveLast appends the word, taking it away from the end region where a name
// already carries it, so that it never stands twice.
func moveLast(words []string, w string) []string {
	for i, have := range words {
		if have == w {
			words = append(words[:i:i], words[i+1:]...)
			break
		}
	}
	return append(words, w)
}
