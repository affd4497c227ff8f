package cli

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lars/bench/load"
	"lars/bench/run"
)

// live shows a run on a terminal while it goes on: a line of where it is, and
// one for each server with its rate over time. It only writes: text, and the
// two sequences of ECMA-48 that go up and erase. No mode of the terminal is
// changed, so none has to be restored, however the program ends.
type live struct {
	w       io.Writer // nil: not a terminal, or not wanted
	size    func() (columns, rows int)
	drawn   int // lines on the screen
	last    time.Time
	noted   string
	servers []*track
}

// track is what is shown of one server.
type track struct {
	now   run.Progress // the last that had figures
	rates []float64    // of the last intervals
	seen  int          // intervals
}

// redrawEvery bounds what drawing costs the generator's processor.
const redrawEvery = 250 * time.Millisecond

// ratesKept is the length of the curve: as much as leaves the errors a place
// on a terminal of 80 columns.
const ratesKept = 12

func newLive(w io.Writer, wanted bool) *live {
	f, ok := w.(*os.File)
	if !ok || !wanted || !isTerminal(f) {
		return &live{}
	}
	return &live{w: w, size: func() (int, int) { return windowSize(f) }}
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// windowSize is that of the terminal, or the usual one.
func windowSize(f *os.File) (columns, rows int) {
	ws, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || ws.Col == 0 || ws.Row == 0 {
		return 80, 24
	}
	return int(ws.Col), int(ws.Row)
}

// update takes what is new, and draws it if the last time is long enough ago.
func (l *live) update(now run.Progress) {
	if l.w == nil {
		return
	}
	l.take(now)
	if time.Since(l.last) < redrawEvery {
		return
	}
	l.last = time.Now()
	columns, rows := l.size()
	l.draw(l.lines(now, rows-1), columns)
}

// take keeps what concerns the server.
func (l *live) take(now run.Progress) {
	i := slices.IndexFunc(l.servers, func(t *track) bool { return t.now.Target == now.Target })
	if i < 0 {
		i = len(l.servers)
		l.servers = append(l.servers, &track{now: now})
	}
	t := l.servers[i]
	fresh := now.Intervals > 0 && (now.Intervals != t.seen || now.Round != t.now.Round)
	if now.Phase == load.Draining { // nothing is sent: the last figures stand
		now.Rate, now.P50, now.P99 = t.now.Rate, t.now.P50, t.now.P99
	}
	t.now, t.seen = now, now.Intervals
	if fresh && now.Phase != load.Draining {
		t.rates = append(t.rates, now.Rate)
		t.rates = t.rates[max(0, len(t.rates)-ratesKept):]
	}
}

// say shows one line at once.
func (l *live) say(text string) {
	if l.w != nil {
		columns, _ := l.size()
		l.draw([]string{text}, columns)
	}
}

// note adds something to the first line of all that follow.
func (l *live) note(text string) { l.noted = text }

// clear leaves the screen as it was before.
func (l *live) clear() {
	if l.drawn > 0 {
		fmt.Fprint(l.w, l.erase())
		l.drawn = 0
	}
}

// erase goes back to the first line that was drawn, and empties the rest.
func (l *live) erase() string {
	if l.drawn > 1 {
		return fmt.Sprintf("\r\x1b[%dA\x1b[J", l.drawn-1)
	}
	return "\r\x1b[J"
}

// draw replaces the lines on the screen, in one write. A line that would wrap
// is cut, or it could not be erased.
func (l *live) draw(lines []string, columns int) {
	out := ""
	if l.drawn > 0 {
		out = l.erase()
	}
	for i, line := range lines {
		text := []rune(line)
		lines[i] = string(text[:min(len(text), max(columns-1, 0))])
	}
	fmt.Fprint(l.w, out+strings.Join(lines, "\n"))
	l.drawn = len(lines)
}

// lines are at most so many: where the run is, then the servers.
func (l *live) lines(now run.Progress, most int) []string {
	out := []string{headLine(now, l.noted)}
	width, peak := 0, 0.0
	for _, t := range l.servers {
		width = max(width, runes(t.now.Target))
		peak = max(peak, slices.Max(append(t.rates, 0)))
	}
	for _, t := range l.servers {
		if len(out) >= max(most, 1) {
			break
		}
		out = append(out, t.line(width, peak))
	}
	return out
}

func headLine(now run.Progress, note string) string {
	head := fmt.Sprintf("%4.0fs", now.Elapsed.Seconds())
	if now.Expected > 0 && note == "" {
		head += fmt.Sprintf(" of ~%.0fs", now.Expected.Seconds())
	}
	if now.Rounds > 1 {
		head += fmt.Sprintf("  round %d of %d", now.Round+1, now.Rounds)
	}
	head += "  " + now.Target
	switch {
	case now.Extra != "":
		head += "  " + now.Extra
	case now.Phase != load.Measured:
		head += "  " + now.Phase.String()
	}
	if note != "" {
		head += "  " + note
	}
	return head
}

// line is one server: its name, rate, the curve of its rates, percentiles of
// the last interval, errors.
func (t *track) line(width int, peak float64) string {
	name := "  " + t.now.Target + strings.Repeat(" ", width-runes(t.now.Target))
	if len(t.rates) == 0 {
		return name
	}
	return fmt.Sprintf("%s  %11s req/s  %s  p50 %-7s p99 %-7s errors %d", name, thousands(t.now.Rate),
		sparkline(t.rates, peak), short(t.now.P50), short(t.now.P99), t.now.Errors)
}

// sparkline draws rates as bars of eight heights; peak, of all servers, is the
// highest, so that curves compare by eye.
func sparkline(rates []float64, peak float64) string {
	bars := []rune("▁▂▃▄▅▆▇█")
	out := []rune(strings.Repeat(" ", max(0, ratesKept-len(rates))))
	for _, r := range rates {
		level := 0
		if peak > 0 {
			level = min(int(r/peak*float64(len(bars))), len(bars)-1)
		}
		out = append(out, bars[max(level, 0)])
	}
	return string(out)
}
