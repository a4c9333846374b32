package main

import (
	"bytes"
	"fmt"
	"html"
	"math"

	"atrium/coordinator/simulate"
)

// drawing is a small SVG writer: panels below each other, each with two axes.
type drawing struct {
	bytes.Buffer
	height float64 // so far
}

// Layout in pixels.
const (
	svgWidth  = 960.0
	svgLeft   = 70.0
	svgRight  = 190.0 // legend
	svgPanel  = 220.0
	svgTop    = 44.0
	svgBottom = 56.0
)

// colours of curves and classes; told apart by people who do not see red and green, too.
var svgColours = []string{"#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999"}

// curve is one line of a panel; NaN is a gap.
type curve struct {
	name   string
	x, y   []float64
	dashed bool
	colour string
}

// bars are one column for each x, of stacked parts.
type bars struct {
	x, width []float64
	parts    [][]float64 // by column
	names    []string    // of parts
}

// panel is one pair of axes.
type panel struct {
	title, xName, yName string
	curves              []curve
	bars                *bars
	low, high           float64 // of y
	from, to            float64 // of x
}

func (d *drawing) add(p panel) {
	top := d.height + svgTop
	width := svgWidth - svgLeft - svgRight
	x := func(v float64) float64 { return svgLeft + (v-p.from)/(p.to-p.from)*width }
	y := func(v float64) float64 { return top + svgPanel - (v-p.low)/(p.high-p.low)*svgPanel }
	d.text(svgLeft, top-14, "start", "bold", p.title)
	fmt.Fprintf(d, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="none" stroke="#666"/>`+"\n", svgLeft, top, width, svgPanel)
	for _, t := range ticks(p.low, p.high, 5) {
		fmt.Fprintf(d, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#ddd"/>`+"\n", svgLeft, y(t), svgLeft+width, y(t))
		d.text(svgLeft-8, y(t)+4, "end", "normal", tickText(t))
	}
	for _, t := range ticks(p.from, p.to, 8) {
		fmt.Fprintf(d, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#666"/>`+"\n", x(t), top+svgPanel, x(t), top+svgPanel+5)
		d.text(x(t), top+svgPanel+19, "middle", "normal", tickText(t))
	}
	d.text(svgLeft+width/2, top+svgPanel+38, "middle", "normal", p.xName)
	fmt.Fprintf(d, `<text x="18" y="%.1f" text-anchor="middle" transform="rotate(-90 18 %.1f)">%s</text>`+"\n", top+svgPanel/2, top+svgPanel/2, html.EscapeString(p.yName))
	if p.bars != nil {
		d.bars(*p.bars, x, y, top)
	}
	for i, c := range p.curves {
		d.curve(c, x, y)
		at := top + 14 + 20*float64(i)
		fmt.Fprintf(d, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="2"%s/>`+"\n", svgWidth-svgRight+14, at, svgWidth-svgRight+40, at, c.colour, dashes(c.dashed))
		d.text(svgWidth-svgRight+46, at+4, "start", "normal", c.name)
	}
	d.height = top + svgPanel + svgBottom
}

func (d *drawing) text(x, y float64, anchor, weight, s string) {
	fmt.Fprintf(d, `<text x="%.1f" y="%.1f" text-anchor="%s" font-weight="%s">%s</text>`+"\n", x, y, anchor, weight, html.EscapeString(s))
}

func dashes(on bool) string {
	if on {
		return ` stroke-dasharray="6 4"`
	}
	return ""
}

// curve draws a line, and a dot for each point where there are few.
func (d *drawing) curve(c curve, x, y func(float64) float64) {
	path, move := "", "M"
	for i := range c.x {
		if math.IsNaN(c.y[i]) {
			move = "M"
			continue
		}
		path += fmt.Sprintf("%s%.1f %.1f", move, x(c.x[i]), y(c.y[i]))
		move = "L"
		if len(c.x) <= 60 && !c.dashed {
			fmt.Fprintf(d, `<circle cx="%.1f" cy="%.1f" r="2" fill="%s"/>`+"\n", x(c.x[i]), y(c.y[i]), c.colour)
		}
	}
	if path != "" {
		fmt.Fprintf(d, `<path d="%s" fill="none" stroke="%s" stroke-width="2"%s/>`+"\n", path, c.colour, dashes(c.dashed))
	}
}

func (d *drawing) bars(b bars, x, y func(float64) float64, top float64) {
	for i := range b.x {
		sum := 0.0
		for k, n := range b.parts[i] {
			if n > 0 {
				fmt.Fprintf(d, `<rect x="%.2f" y="%.2f" width="%.2f" height="%.2f" fill="%s"/>`+"\n",
					x(b.x[i]), y(sum+n), max(x(b.x[i]+b.width[i])-x(b.x[i]), 0.5), y(sum)-y(sum+n), svgColours[k%len(svgColours)])
			}
			sum += n
		}
	}
	for k, name := range b.names {
		at := top + 14 + 20*float64(k)
		fmt.Fprintf(d, `<rect x="%.1f" y="%.1f" width="14" height="14" fill="%s"/>`+"\n", svgWidth-svgRight+14, at-8, svgColours[k%len(svgColours)])
		d.text(svgWidth-svgRight+34, at+4, "start", "normal", name)
	}
}

// ticks returns round numbers within a range, n+1 at most.
func ticks(low, high float64, n int) []float64 {
	if !(high > low) {
		return []float64{low}
	}
	step := math.Pow(10, math.Floor(math.Log10((high-low)/float64(n))))
	for _, f := range []float64{1, 2, 5, 10} {
		if (high-low)/(step*f) <= float64(n)+1e-9 {
			step *= f
			break
		}
	}
	var out []float64
	for i := math.Ceil(low/step - 1e-9); i*step <= high+step*1e-9; i++ {
		out = append(out, i*step)
	}
	return out
}

func tickText(v float64) string {
	if math.Abs(v) < 1e-12 {
		return "0"
	}
	return fmt.Sprintf("%.4g", v)
}

// done returns the file.
func (d *drawing) done() []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f" font-family="sans-serif" font-size="13">`+"\n", svgWidth, d.height, svgWidth, d.height)
	fmt.Fprintf(&out, `<rect width="100%%" height="100%%" fill="#fff"/>`+"\n")
	out.Write(d.Bytes())
	out.WriteString("</svg>\n")
	return out.Bytes()
}

// drawSimulation draws the metric over rounds and over virtual time, and who took part.
func drawSimulation(r simReport) []byte {
	d := &drawing{height: 20}
	d.text(svgLeft, 26, "start", "bold", fmt.Sprintf("Plan %s over %d simulated hospitals: %d train rounds in %s", r.Plan, r.Hospitals, r.Trained, daysText(r.Days)))
	trains := r.trains()
	var rounds, days, auc, exact, accuracy []float64
	for i, round := range trains {
		rounds, days = append(rounds, float64(i+1)), append(days, round.Ended)
		auc, accuracy = append(auc, orNaN(round.Metric.AUC)), append(accuracy, round.Metric.Accuracy)
		value := math.NaN()
		if e := round.Metric.Exact; e != nil {
			value = orNaN(e.AUC)
		}
		exact = append(exact, value)
	}
	unit, name := timeUnit(r.Days)
	for i := range days {
		days[i] *= unit
	}
	low, high := bounds(auc, accuracy, exact)
	metrics := func(x []float64) []curve {
		return []curve{{"AUC", x, auc, false, svgColours[0]}, {"AUC, no encryption", x, exact, true, svgColours[5]}, {"accuracy", x, accuracy, false, svgColours[2]}}
	}
	last := float64(max(2, len(trains)))
	end := max(r.Days*unit, 1e-9)
	d.add(panel{title: "By train rounds", xName: "train rounds", yName: "on held-back records", curves: metrics(rounds), low: low, high: high, from: 1, to: last})
	d.add(panel{title: "By virtual time", xName: name, yName: "on held-back records", curves: metrics(days), low: low, high: high, from: 0, to: end})
	d.add(r.participants("Hospitals summed, by train round", "train rounds", 0.5, last+0.5, func(i int, _ simulate.RoundResult) (float64, float64) { return float64(i) + 0.55, 0.9 }))
	d.add(r.participants("Hospitals summed, by virtual time", name, 0, end, func(_ int, round simulate.RoundResult) (float64, float64) {
		return round.Opened * unit, (round.Ended - round.Opened) * unit
	}))
	return d.done()
}

// participants is a panel of train rounds, with who was summed by class.
func (r simReport) participants(title, xName string, from, to float64, place func(int, simulate.RoundResult) (x, width float64)) panel {
	b := &bars{}
	for _, c := range r.Classes {
		b.names = append(b.names, fmt.Sprintf("%s (%d)", c.Name, c.Hospitals))
	}
	for i, round := range r.trains() {
		x, width := place(i, round)
		b.x, b.width = append(b.x, x), append(b.width, width)
		var parts []float64
		for _, n := range round.ByClass {
			parts = append(parts, float64(n))
		}
		b.parts = append(b.parts, parts)
	}
	return panel{title: title, xName: xName, yName: "hospitals", bars: b, low: 0, high: float64(max(1, r.Hospitals)), from: from, to: to}
}

// timeUnit is how many units a day has, and what the axis says.
func timeUnit(days float64) (float64, string) {
	switch {
	case days*24 < 2:
		return 24 * 60, "minutes"
	case days < 3:
		return 24, "hours"
	}
	return 1, "days"
}

// bounds are those of an axis that shows all values, at steps of 0.05.
func bounds(lists ...[]float64) (low, high float64) {
	low, high = 1, 0
	for _, list := range lists {
		for _, v := range list {
			if !math.IsNaN(v) {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	if low > high {
		return 0, 1
	}
	low, high = math.Floor(low*20)/20, math.Ceil(high*20)/20
	if high <= low {
		high = low + 0.05
	}
	return low, high
}
