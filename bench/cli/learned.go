package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"lars/bench/gate"
	"lars/bench/proc"
	"lars/bench/record"
)

// learnedNote is what the self-test found out about comparisons on this class
// of machine, as a note to one that was made by hand: how much identical
// programs differ here, and how often the gate is wrong. Where nothing was
// learned, it says that.
func learnedNote(results, backend string) string {
	class := proc.ReadMachine().Class()
	path := filepath.Join(results, baselinesDir, class, record.NoiseFile)
	n, err := record.ReadNoise(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("how often such a verdict is wrong on this class of machine (%s) was not learned: lars bench selftest does", class)
	case err != nil:
		return fmt.Sprintf("what was learned of this class of machine is not quoted: %v", err)
	}
	s := n.Subject(backend)
	if s == nil {
		s = &n.Subjects[0] // a noise file has one at least
	}
	var metrics []string
	for _, m := range s.Metrics {
		if m.Counted || m.SD == 0 {
			continue
		}
		text := fmt.Sprintf("of %s single epochs differ by %.1f %%", m.Name, 100*m.SD)
		for _, p := range m.Power {
			if p.Effect == gate.FivePercent {
				text += fmt.Sprintf(" and a true 5 %% is found with %.3g %%", 100*p.Found.Rate)
			}
		}
		metrics = append(metrics, text)
	}
	return fmt.Sprintf("learned on this class of machine (%s) from two identical servers on %s, by the gate (%s): false alarms %.2g %% (at most %.2g %%); %s",
		path, s.Name, n.Settings, 100*s.FalseAlarms.Rate, 100*s.FalseAlarms.High, strings.Join(metrics, "; "))
}
