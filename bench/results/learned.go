package results

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"lars/bench/record"
)

// Learned is what a self-test found out about verdicts on a class of machine.
type Learned struct {
	Path  string // of its folder, from the collection, with slashes
	Noise *record.Noise
}

// LoadLearned reads the noise that lies in the folder of a collection, in the
// order of classes.
func LoadLearned(dir string) ([]Learned, error) {
	files, err := filepath.Glob(filepath.Join(dir, "baselines", "*", record.NoiseFile))
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	var out []Learned
	for _, file := range files {
		n, err := record.ReadNoise(file)
		if err != nil {
			return nil, err
		}
		rel, err := filepath.Rel(dir, filepath.Dir(file))
		if err != nil {
			return nil, err
		}
		out = append(out, Learned{filepath.ToSlash(rel), n})
	}
	return out, nil
}

// Text says it in a line for each server.
func (l Learned) Text() string {
	var servers []string
	for _, s := range l.Noise.Subjects {
		text := fmt.Sprintf("on %s, with %d epochs of two identical programs, the gate raises a false alarm in %.2g %% (at most %.2g %%)",
			s.Name, len(s.Epochs), 100*s.FalseAlarms.Rate, 100*s.FalseAlarms.High)
		for _, m := range s.Metrics {
			for _, p := range m.Power {
				if p.Effect == fivePercent && m.Name == "server_cpu" {
					text += fmt.Sprintf(" and finds a true 5 %% of CPU time in %.3g %%", 100*p.Found.Rate)
				}
			}
		}
		servers = append(servers, text)
	}
	return strings.Join(servers, "; ")
}

const fivePercent = 0.05
