package report

import (
	"fmt"
	"strings"

	"lars/bench/record"
)

// verdict is the first thing on the page.
type verdict struct {
	Class   string // good, warn, bad or plain
	Word    string
	Meaning string
	Badges  []string
	Reasons []reason
	Notes   []string
}

type reason struct{ Class, Status, Text string }

// meanings of a run's status.
var meanings = map[string]struct{ class, word, text string }{
	"valid":    {"good", "Valid", "Nothing speaks against this run: its figures may be used."},
	"degraded": {"warn", "Degraded", "True of this run, but do not compare its absolute figures with others. Ratios were taken within rounds, in the same seconds, and still hold."},
	"invalid":  {"bad", "Invalid", "Do not use these figures: what they stand on went wrong."},
}

func verdictOf(r *record.Run) verdict {
	m := meanings[r.Status]
	v := verdict{Class: m.class, Word: m.word, Meaning: m.text, Notes: r.Notes}
	if c := r.Comparison; c != nil && r.Status != "invalid" {
		v.compared(c, m.word)
	}
	for _, x := range r.Reasons {
		v.Reasons = append(v.Reasons, reason{meanings[x.Status].class, x.Status, x.Text})
	}
	for _, a := range r.Arms {
		if len(a.StandIns) > 0 {
			v.Notes = append(v.Notes, fmt.Sprintf("%s ran with a stand-in: %s", a.Name, strings.Join(a.StandIns, "; ")))
		}
	}
	return v
}

// compared makes the verdict that of a comparison.
func (v *verdict) compared(c *record.Comparison, status string) {
	texts := map[string]struct{ class, text string }{
		record.VerdictRegressed:    {"bad", "%s is worse than %s in what is gated."},
		record.VerdictImproved:     {"good", "%s is better than %s in what is gated, and worse in nothing that is."},
		record.VerdictEquivalent:   {"good", "%s and %s are the same, within what would matter."},
		record.VerdictInconclusive: {"warn", "%s beside %s: this run cannot tell. It is neither a sign of a difference nor of none."},
		record.VerdictInvalid:      {"bad", "%s beside %s: the run cannot be used."},
	}
	t := texts[c.Verdict]
	v.Class, v.Word, v.Meaning = t.class, strings.ToUpper(c.Verdict[:1])+c.Verdict[1:], fmt.Sprintf(t.text, c.B, c.A)
	v.Badges = []string{"run: " + strings.ToLower(status), "design: " + c.Design, fmt.Sprintf("%d epochs", len(c.Epochs)), "rule: " + c.Rule}
	if c.DesignReason != "" {
		v.Notes = append(v.Notes, "Design: "+c.DesignReason)
	}
}
