// Package report makes the page about a run, report.html: one file that needs
// neither network nor script, on a light and on a dark screen, at the width of
// a phone and on paper.
//
// It is for people who want to see what a run found and how far to trust it.
// Everything on the page comes from the raw files of the result (a
// record.Folder), so the same files give the same bytes; a section without data
// is left out. What it will not do: measure, decide, or compute a statistic that
// is not in the files.
package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"

	"lars/bench/record"
)

// File is the name of the page within a result.
const File = "report.html"

var (
	//go:embed page.tmpl
	pageText string
	//go:embed page.css
	pageStyle string
)

// Derive makes the page. It is a record.Derive.
func Derive(f *record.Folder) (map[string][]byte, error) {
	page, err := Page(f)
	return map[string][]byte{File: page}, err
}

// Page is the content of report.html.
func Page(f *record.Folder) ([]byte, error) {
	t, err := template.New("page").Parse(pageText)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := t.Execute(&out, look(f)); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return out.Bytes(), nil
}

// Style is the style sheet of the pages.
func Style() string { return pageStyle + seriesStyle() }

// page is what the template shows. Sections without data are nil or empty.
type page struct {
	Style    template.CSS
	Title    string
	Subtitle string
	Facts    []fact // beside the title: when, where
	Sections []link // table of contents
	Verdict  verdict
	Ratios   *ratios
	Figures  *table
	Curves   *curves
	Heat     *heat
	Sweeps   []sweep
	Costs    *costs
	Stages   *stages
	Checks   *table // of correctness
	Audit    *table
	Machine  *machine
	Command  command
}

type fact struct{ Name, Value string }

type link struct{ ID, Name string }

// table is a plain one: the first column names the row.
type table struct {
	Head []string
	Rows [][]string
	Note string
}

// look turns a result into a page.
func look(f *record.Folder) *page {
	r := f.Run
	p := &page{
		Style:    template.CSS(Style()),
		Title:    title(r),
		Subtitle: load(r) + rounds(r),
		Facts: []fact{
			{"measured", when(r.Started)},
			{"on", machineName(&r.Machine)},
			{"seed", fmt.Sprint(r.Scenario.Seed)},
		},
		Verdict: verdictOf(r),
		Ratios:  ratiosOf(r),
		Figures: figuresOf(r),
		Curves:  curvesOf(f),
		Heat:    heatOf(f),
		Sweeps:  sweepsOf(r),
		Costs:   costsOf(r),
		Stages:  stagesOf(r),
		Checks:  checksOf(r),
		Audit:   auditOf(r),
		Machine: machineOf(f),
		Command: commandOf(r),
	}
	p.contents()
	return p
}

// contents lists the sections that are there, in the order of the page.
func (p *page) contents() {
	for _, s := range []struct {
		there    bool
		id, name string
	}{
		{true, "verdict", "Verdict"},
		{p.Ratios != nil, "ratios", "Ratios"},
		{p.Figures != nil, "figures", "Figures"},
		{p.Curves != nil, "percentiles", "Percentiles"},
		{p.Heat != nil, "time", "Over time"},
		{p.Sweeps != nil, "sweep", "Rate sweep"},
		{p.Costs != nil, "cost", "Cost"},
		{p.Stages != nil, "stages", "Stages"},
		{p.Checks != nil, "correctness", "Correctness"},
		{p.Audit != nil, "generator", "Generator"},
		{p.Machine != nil, "environment", "Environment"},
		{true, "command", "Command"},
	} {
		if s.there {
			p.Sections = append(p.Sections, link{s.id, s.name})
		}
	}
}
