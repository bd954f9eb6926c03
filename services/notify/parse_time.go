package notify

import (
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/esolutions/esmon/services/notify/interval"
	"github.com/esolutions/esmon/services/notify/oncall"
)

// intervals reads a list of named time intervals.
func (p *parser) intervals(n *yaml.Node, path string) {
	p.list(n, path, func(n *yaml.Node, path string) {
		var name string
		parts := []interval.Interval{}
		p.mapping(n, path, map[string]field{
			"name": p.setText(&name),
			"time_intervals": func(n *yaml.Node, path string) {
				p.list(n, path, func(n *yaml.Node, path string) { parts = append(parts, p.interval(n, path)) })
			},
		})
		_, twice := p.cfg.Intervals[name]
		switch {
		case name == "" || len(name) > maxNameBytes:
			p.add(n, path, "name: a name of 1 to %d bytes is expected", maxNameBytes)
		case twice:
			p.add(n, path, "name: there are two time intervals %q", name)
		case len(p.cfg.Intervals) >= maxNamed:
			p.add(n, path, "too many time intervals; the limit is %d", maxNamed)
		default:
			p.cfg.Intervals[name] = parts
		}
	})
}

func (p *parser) interval(n *yaml.Node, path string) interval.Interval {
	var iv interval.Interval
	p.mapping(n, path, map[string]field{
		"times": func(n *yaml.Node, path string) {
			iv.Times = []interval.Range{}
			p.list(n, path, func(n *yaml.Node, path string) { iv.Times = append(iv.Times, p.times(n, path)) })
		},
		"weekdays":      p.ranges(&iv.Weekdays, interval.ParseWeekdays),
		"days_of_month": p.ranges(&iv.DaysOfMonth, interval.ParseDaysOfMonth),
		"months":        p.ranges(&iv.Months, interval.ParseMonths),
		"years":         p.ranges(&iv.Years, interval.ParseYears),
		"location":      p.location(&iv.Location),
	})
	return iv
}

func (p *parser) times(n *yaml.Node, path string) interval.Range {
	var start, end string
	p.mapping(n, path, map[string]field{"start_time": p.setText(&start), "end_time": p.setText(&end)})
	r, err := interval.ParseTimes(start, end)
	if err != nil {
		p.add(n, path, "%s", err)
	}
	return r
}

func (p *parser) ranges(to *[]interval.Range, parse func(string) (interval.Range, error)) field {
	return func(n *yaml.Node, path string) {
		*to = []interval.Range{}
		for _, text := range p.texts(n, path) {
			r, err := parse(text)
			if err != nil {
				p.add(n, path, "%s", err)
				continue
			}
			*to = append(*to, r)
		}
	}
}

func (p *parser) location(to **time.Location) field {
	return func(n *yaml.Node, path string) {
		text, ok := p.text(n, path)
		if !ok {
			return
		}
		loc, err := interval.ParseLocation(text)
		if err != nil {
			p.add(n, path, "%s", err)
			return
		}
		*to = loc
	}
}

// calendars reads who is on call: one layer, or several under layers.
func (p *parser) calendars(n *yaml.Node, path string) {
	p.named(n, path, func(name string, n *yaml.Node, path string) {
		c := &oncall.Calendar{Zone: time.UTC}
		var own layerReader
		fields := own.fields(p)
		fields["time_zone"] = p.location(&c.Zone)
		fields["layers"] = func(n *yaml.Node, path string) {
			p.list(n, path, func(n *yaml.Node, path string) {
				var lr layerReader
				p.mapping(n, path, lr.fields(p))
				lr.done(p, n, path, c)
			})
		}
		p.mapping(n, path, fields)
		if own.set || len(c.Layers) == 0 {
			own.done(p, n, path, c)
		}
		p.cfg.Calendars[name] = c
	})
}

type layerReader struct {
	layer oncall.Layer
	set   bool // any field is
}

func (lr *layerReader) fields(p *parser) map[string]field {
	lr.layer.Days = 7
	own := map[string]field{
		"start": func(n *yaml.Node, path string) {
			text, _ := p.text(n, path)
			t, err := time.Parse(time.DateOnly, text)
			if err != nil || t.Year() < 1970 || t.Year() > 2200 {
				p.add(n, path, "%q is no day: write it as 2026-01-31", text)
				return
			}
			lr.layer.Start = oncall.Date{Year: t.Year(), Month: t.Month(), Day: t.Day()}
		},
		"handover":     p.minute(&lr.layer.Handover),
		"shift":        lr.shift(p),
		"rotation":     lr.rotation(p),
		"restrictions": lr.restrictions(p),
	}
	for name, f := range own {
		own[name] = func(n *yaml.Node, path string) { lr.set = true; f(n, path) }
	}
	return own
}

func (p *parser) minute(to *int) field {
	return func(n *yaml.Node, path string) {
		text, ok := p.text(n, path)
		if !ok {
			return
		}
		m, err := interval.ParseMinute(text)
		if err != nil || m == interval.DayMinutes {
			p.add(n, path, "%q is no time of day: write HH:MM in quotes, from 00:00 to 23:59", text)
			return
		}
		*to = m
	}
}

func (lr *layerReader) shift(p *parser) field {
	return func(n *yaml.Node, path string) {
		text, ok := p.text(n, path)
		if !ok {
			return
		}
		l := &lr.layer
		number, unit := strings.TrimRight(text, "hdw"), strings.TrimLeft(text, "0123456789")
		count, err := strconv.Atoi(number)
		switch {
		case text == "weekly":
			l.Days, l.Hours = 7, 0
		case text == "daily":
			l.Days, l.Hours = 1, 0
		case err == nil && count >= 1 && count <= 1000 && unit == "h":
			l.Days, l.Hours = 0, count
		case err == nil && count >= 1 && count <= 1000 && unit == "d":
			l.Days, l.Hours = count, 0
		case err == nil && count >= 1 && count <= 100 && unit == "w":
			l.Days, l.Hours = 7*count, 0
		default:
			p.add(n, path, "%q is no length of a shift: write weekly, daily, or a number with a unit, such as 12h, 3d or 2w", text)
		}
	}
}

func (lr *layerReader) rotation(p *parser) field {
	return func(n *yaml.Node, path string) {
		lr.layer.Rotation = p.texts(n, path)
		for _, person := range lr.layer.Rotation {
			p.ref(n, path, "person under people", person, func() []string { return keys(p.cfg.People) })
		}
	}
}

func (lr *layerReader) restrictions(p *parser) field {
	return func(n *yaml.Node, path string) {
		p.list(n, path, func(n *yaml.Node, path string) {
			r := oncall.Restriction{Days: [7]bool{true, true, true, true, true, true, true}}
			var days []interval.Range
			p.mapping(n, path, map[string]field{
				"weekdays":   p.ranges(&days, interval.ParseWeekdays),
				"start_time": p.minute(&r.From),
				"end_time":   p.endMinute(&r.To),
			})
			if days != nil {
				r.Days = [7]bool{}
			}
			for _, span := range days {
				for day := span.Begin; day <= span.End; day++ {
					r.Days[day] = true
				}
			}
			if len(lr.layer.Restrictions) >= maxRouteDepth {
				p.add(n, path, "too many restrictions; the limit is %d", maxRouteDepth)
				return
			}
			lr.layer.Restrictions = append(lr.layer.Restrictions, r)
		})
	}
}

// endMinute also takes 24:00, the end of the day.
func (p *parser) endMinute(to *int) field {
	return func(n *yaml.Node, path string) {
		if n.Value == "24:00" {
			*to = 0 // which goes on to the next day's first minute
			return
		}
		p.minute(to)(n, path)
	}
}

// done checks a layer and adds it.
func (lr *layerReader) done(p *parser, n *yaml.Node, path string, c *oncall.Calendar) {
	switch {
	case len(lr.layer.Rotation) == 0:
		p.add(n, path, "rotation: at least one person is expected")
	case len(lr.layer.Rotation) > maxNamed:
		p.add(n, path, "rotation: too many people; the limit is %d", maxNamed)
	case lr.layer.Start == oncall.Date{}:
		p.add(n, path, "start: the day on which the first shift begins is expected, such as 2026-01-05")
	case len(c.Layers) >= maxRouteDepth:
		p.add(n, path, "too many layers; the limit is %d", maxRouteDepth)
	}
	c.Layers = append(c.Layers, lr.layer)
}
