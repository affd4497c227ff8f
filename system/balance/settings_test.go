package balance

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestSettingsText(t *testing.T) {
	for text, want := range map[string]Settings{
		"":                                  {},
		" v=1 ":                             {},
		"outlier=off algorithm=elb":         {Algorithm: "elb", Outlier: Off},
		"base=10s slow_start=off bound=1.5": {Base: 10 * time.Second, SlowStart: -1, Bound: 1.5},
		"err_rate=0.3 consecutive=off":      {Consecutive: -1, Classic: Config{ErrRate: 0.3}},
	} {
		got, err := ParseSettings(text)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func TestSettingsRefuse(t *testing.T) {
	for text, want := range map[string]string{
		"algorithm=fastest":            "there are classic, elb",
		"algorithm=":                   "empty",
		"outlier=yes":                  "want on or off",
		"algorithm=classic outlier=on": "its own way",
		"v=2":                          "only 1",
		"base=5":                       "want 1ms to 1h0m0s",
		"base=-5s":                     "want 1ms to 1h0m0s",
		"base=off":                     "want 1ms to 1h0m0s",
		"slow_start=-1ns":              "or off",
		"consecutive=0":                "want 1 to 1000000, or off",
		"hard_cap=NaN":                 "want 0.01 to 1",
		"hard_cap=1.01":                "want 0.01 to 1",
		"peers=3 peers=3":              "twice",
		"speed":                        "no name=value",
		"speed=3":                      "no setting is called",
	} {
		if _, err := ParseSettings(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q in it", text, err, want)
		}
	}
	if _, err := Open(Settings{Outlier: 7}, 0); err == nil {
		t.Error("a switch of 7 was accepted")
	}
}

// Each default is in its range, and settings that name it are written so.
func TestKnobs(t *testing.T) {
	for _, k := range Knobs() {
		if k.Doc == "" || k.Allowed == "" {
			t.Errorf("%s is not described", k.Name)
		}
		word := k.Name + "=" + k.Default
		if s, err := ParseSettings(word); err != nil || s.String() != word {
			t.Errorf("%s: %v, %v", word, s, err)
		}
	}
	for _, a := range Algorithms() {
		if a.Summary == "" || a.Source == "" {
			t.Errorf("%s is not described", a.Name)
		}
		if _, err := Open(Settings{Algorithm: a.Name}, 1); err != nil {
			t.Error(err)
		}
	}
}

func TestSettingsInJSON(t *testing.T) {
	in := map[string]Settings{"1,1": {Base: time.Minute, Jitter: -1}}
	text, err := json.Marshal(in)
	if err != nil || string(text) != `{"1,1":"base=1m0s jitter=off"}` {
		t.Fatalf("%s, %v", text, err)
	}
	var out map[string]Settings
	if err := json.Unmarshal(text, &out); err != nil || out["1,1"] != in["1,1"] {
		t.Errorf("%v, %v", out, err)
	}
}

func FuzzSettings(f *testing.F) {
	for _, k := range Knobs() {
		f.Add(k.Name + "=" + k.Default + " v=1")
		f.Add(k.Name + "=off")
	}
	f.Add("base=1.5h jitter=1e-3\tslow_min=0x1p-3")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSettings(text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "balance: ") {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if again, err := ParseSettings(s.String()); err != nil || again != s {
			t.Errorf("%q became %q, %+v, %v", text, s, again, err)
		}
		if _, err := Open(s, 1); err != nil {
			t.Errorf("%q does not open: %v", text, err)
		}
	})
}
