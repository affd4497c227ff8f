package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lars/bench/load"
	"lars/bench/run"
)

// progress is one line on a terminal that is written over; nothing elsewhere.
type progress struct {
	w        io.Writer // nil: not a terminal
	lastTime time.Time
	lastLine int // characters on the screen
	noted    string
}

// redrawEvery bounds what drawing costs the generator's processor.
const redrawEvery = 250 * time.Millisecond

func newProgress(w io.Writer) *progress {
	if f, ok := w.(*os.File); ok && isTerminal(f) {
		return &progress{w: w}
	}
	return &progress{}
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// columns is the width of the terminal; a line that wraps cannot be erased.
func (p *progress) columns() int {
	if f, ok := p.w.(*os.File); ok {
		if ws, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil && ws.Col > 0 {
			return int(ws.Col)
		}
	}
	return 80
}

func (p *progress) update(now run.Progress) {
	if p.w == nil || time.Since(p.lastTime) < redrawEvery {
		return
	}
	p.lastTime = time.Now()
	line := progressLine(now)
	if p.noted != "" {
		line += "  " + p.noted
	}
	p.draw(line)
}

// note adds something to the lines that follow.
func (p *progress) note(text string) { p.noted = text }

// say shows a line at once.
func (p *progress) say(text string) {
	if p.w != nil {
		p.draw(text)
	}
}

func (p *progress) draw(text string) {
	line := []rune(text)
	line = line[:min(len(line), p.columns()-1)]
	pad := strings.Repeat(" ", max(0, p.lastLine-len(line)))
	fmt.Fprintf(p.w, "\r%s%s", string(line), pad)
	p.lastLine = len(line)
}

func (p *progress) clear() {
	if p.w == nil || p.lastLine == 0 {
		return
	}
	fmt.Fprintf(p.w, "\r%s\r", strings.Repeat(" ", p.lastLine))
	p.lastLine = 0
}

func progressLine(now run.Progress) string {
	head := fmt.Sprintf("%4.0fs of ~%.0fs  %s", now.Elapsed.Seconds(), now.Expected.Seconds(), now.Target)
	if now.Extra != "" {
		return head + "  " + now.Extra
	}
	if now.Rounds > 1 {
		head += fmt.Sprintf(" %d/%d", now.Round+1, now.Rounds)
	}
	if now.Phase != load.Measured {
		head += "  " + now.Phase.String()
	}
	if now.Rate == 0 {
		return head
	}
	return fmt.Sprintf("%s  %s req/s  p50 %s  p99 %s  errors %d", head, thousands(now.Rate), short(now.P50), short(now.P99), now.Errors)
}
