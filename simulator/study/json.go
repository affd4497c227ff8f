package study

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
)

// Schema names the form of study.json; results/schema has its JSON Schema.
// Fields are added to it, never changed.
const Schema = "lars.sim.study/v1"

// number is written with six digits: what is behind them differs between
// processors, and says nothing.
type number float64

// MarshalJSON writes null for what is no number.
func (n number) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(n)) || math.IsInf(float64(n), 0) {
		return []byte("null"), nil
	}
	x, err := strconv.ParseFloat(strconv.FormatFloat(float64(n), 'g', 6, 64), 64)
	if err != nil {
		return nil, err
	}
	return json.Marshal(x)
}

type file struct {
	Schema    string         `json:"schema"`
	Seeds     int            `json:"seeds"`
	Metrics   []fileMetric   `json:"metrics"`
	Policies  []filePolicy   `json:"policies"`
	Scenarios []fileScenario `json:"scenarios"`
}

type fileMetric struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Unit string `json:"unit"`
	Doc  string `json:"doc"`
	Best string `json:"best"`
}

type filePolicy struct {
	Name     string `json:"name"`
	Settings string `json:"settings"`
	Hints    bool   `json:"hints"`
}

type fileScenario struct {
	ID       string     `json:"id"`
	Name     string     `json:"name"`
	Setup    string     `json:"setup"`
	Chosen   string     `json:"chosen,omitempty"`
	Expected string     `json:"expected,omitempty"`
	Cells    []fileCell `json:"cells"`
}

type fileCell struct {
	Policy string      `json:"policy"`
	Values []fileValue `json:"values"`
}

// fileValue is a mean and half of its interval; beside is the difference to the
// default policy.
type fileValue struct {
	Metric     string `json:"metric"`
	Mean       number `json:"mean"`
	Half       number `json:"half"`
	Beside     number `json:"beside"`
	BesideHalf number `json:"beside_half"`
}

// WriteJSON writes all figures; each cell is a line.
func (t *Table) WriteJSON(w io.Writer) error {
	f := file{Schema: Schema, Seeds: t.Seeds}
	for m := range metrics {
		i := m.Info()
		best := "low"
		if i.Higher {
			best = "high"
		}
		f.Metrics = append(f.Metrics, fileMetric{i.ID, i.Name, i.Unit, i.Doc, best})
	}
	for _, p := range t.Policies {
		f.Policies = append(f.Policies, filePolicy{p.Name, p.Settings, p.Hints})
	}
	for i := range t.Scenarios {
		s := &t.Scenarios[i]
		x := fileScenario{ID: s.ID, Name: s.Name, Setup: s.setup(), Chosen: s.Chosen, Expected: s.Expected}
		for k, p := range t.Policies {
			c := fileCell{Policy: p.Name}
			for _, m := range s.measured() {
				v, b := t.Cells[i][k].Values[m], t.Cells[i][k].Beside[m]
				c.Values = append(c.Values, fileValue{m.Info().ID, number(v.Mean), number(v.Half), number(b.Mean), number(b.Half)})
			}
			x.Cells = append(x.Cells, c)
		}
		f.Scenarios = append(f.Scenarios, x)
	}
	raw, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return fmt.Errorf("study: %w", err)
	}
	_, err = w.Write(append(compact(raw), '\n'))
	return err
}

// measured is what a scenario shows, and the errors.
func (s *Scenario) measured() []Metric {
	for _, m := range s.Show {
		if m == Errors {
			return s.Show
		}
	}
	return append([]Metric{Errors}, s.Show...)
}

// compact joins the lines that are four and more levels deep.
func compact(raw []byte) []byte {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		out = append(out, raw[i])
		if raw[i] != '\n' {
			continue
		}
		k := i + 1
		for k < len(raw) && raw[k] == ' ' {
			k++
		}
		deep := k - i - 1
		closes := k < len(raw) && (raw[k] == '}' || raw[k] == ']')
		if deep > 4 || deep == 4 && closes {
			out = out[:len(out)-1]
			i = k - 1
		}
	}
	return out
}
