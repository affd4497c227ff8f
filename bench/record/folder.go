package record

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"github.com/HdrHistogram/hdrhistogram-go"

	"lars/bench/hist"
)

// Folder is what the raw files of a result hold: run.json, the histogram logs,
// the time series and the description of the machine. Every other file of the
// result follows from it.
type Folder struct {
	Run     *Run
	Machine json.RawMessage          // machine.json; nil without one
	Series  []Slice                  // timeseries.csv, in its order, without Response
	Logs    map[string][]LogInterval // the intervals of .hlog, by arm
	hists   map[string]map[string]*hist.Recorder
	stages  map[string]*hist.Recorder // by their files
}

// Hist is the distribution of a stage of an arm, nil if there is none.
func (f *Folder) Hist(arm, stage string) *hist.Recorder { return f.hists[arm][stage] }

// Stage is the distribution of a stage of a request, nil if there is none.
func (f *Folder) Stage(s *StageTime) *hist.Recorder { return f.stages[s.HGrm] }

// rawBytesMax bounds the size of a raw file that is read.
const rawBytesMax = 256 << 20

// Open reads the raw files of a result. Its errors name the file and the
// remedy. It does not look at checksums; Verify does.
func Open(dir string) (*Folder, error) {
	path := filepath.Join(dir, RunFile)
	content, err := readFile(path)
	if err != nil {
		return nil, err
	}
	run, err := Parse(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	files := map[string][]byte{}
	for _, name := range run.rawFiles() {
		content, err := readFile(filepath.Join(dir, name))
		if name == MachineFile && errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files[name] = content
	}
	f, err := assemble(run, files)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return f, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: give the directory of a whole result, such as one below out/", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, rawBytesMax+1))
	if err != nil {
		return nil, refuse(ErrBroken, path, err.Error(), remedyRepeat)
	}
	if len(raw) > rawBytesMax {
		return nil, refuse(ErrForeign, path, fmt.Sprintf("larger than %d bytes", rawBytesMax), remedyRepeat)
	}
	return raw, nil
}

// rawFiles names the raw files beside run.json.
func (r *Run) rawFiles() []string {
	names := []string{TimeSeriesFile, MachineFile}
	for _, a := range r.Arms {
		for _, l := range a.Latency {
			if l.HLog != "" {
				names = append(names, l.HLog)
			}
		}
	}
	return names
}

// assemble reads raw files. Errors name the file within the result.
func assemble(run *Run, files map[string][]byte) (*Folder, error) {
	f := &Folder{Run: run, Logs: map[string][]LogInterval{}, hists: map[string]map[string]*hist.Recorder{}, stages: map[string]*hist.Recorder{}}
	var err error
	if f.Series, err = readSeries(files[TimeSeriesFile]); err != nil {
		return nil, refuse(ErrBroken, TimeSeriesFile, err.Error(), remedyRepeat)
	}
	if machine, ok := files[MachineFile]; ok {
		if !json.Valid(machine) {
			return nil, refuse(ErrBroken, MachineFile, "not JSON", remedyRepeat)
		}
		f.Machine = machine
	}
	for _, a := range run.Arms {
		f.hists[a.Name] = map[string]*hist.Recorder{}
		for _, l := range a.Latency {
			if l.HDR != "" {
				if f.hists[a.Name][l.Stage], err = l.recorder(); err != nil {
					return nil, refuse(ErrBroken, RunFile, fmt.Sprintf("the histogram %s of %s: %v", l.Stage, a.Name, err), remedyRepeat)
				}
			}
			if l.HLog == "" {
				continue
			}
			if f.Logs[a.Name], err = readLog(bytes.NewReader(files[l.HLog])); err != nil {
				return nil, refuse(ErrBroken, l.HLog, err.Error(), remedyRepeat)
			}
		}
		for _, s := range a.Stages {
			if s.HGrm == "" {
				continue
			}
			if f.stages[s.HGrm], err = decode(s.HDR, s.Count); err != nil {
				return nil, refuse(ErrBroken, RunFile, fmt.Sprintf("the histogram %s of %s: %v", s.Stage, a.Name, err), remedyRepeat)
			}
		}
	}
	return f, nil
}

// encode is the form of a distribution in run.json.
func encode(r *hist.Recorder) (string, error) {
	raw, err := r.Histogram().Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	return string(raw), err
}

// hdrBytesMax bounds what is decoded: a whole histogram has far fewer bytes.
const hdrBytesMax = 1 << 20

// decode reads a distribution back.
func decode(hdr string, count int64) (*hist.Recorder, error) {
	if len(hdr) > base64.StdEncoding.EncodedLen(hdrBytesMax) {
		return nil, errors.New("too large")
	}
	h, err := hdrhistogram.Decode([]byte(hdr))
	if err != nil {
		return nil, err
	}
	r, err := hist.FromHistogram(h)
	if err != nil {
		return nil, err
	}
	if r.Count() != count {
		return nil, fmt.Errorf("holds %d values, count says %d", r.Count(), count)
	}
	return r, nil
}

// recorder is the distribution, with what is known exactly.
func (l *Latency) recorder() (*hist.Recorder, error) {
	r, err := decode(l.HDR, l.Count)
	if err != nil {
		return nil, err
	}
	return r, r.Restore(hist.Exact{
		Min: l.MinNS, Max: l.MaxNS, Sum: int64(math.Round(l.MeanNS * float64(l.Count))), Over: l.Over, Censored: l.Censored,
	})
}
