// Package conf reads configuration files of the form that the original's
// programs use, and flags for the same keys:
//
//	; a comment
//	[reactor]
//	ip = 127.0.0.1
//	port = 7777
//
// A program declares its keys in a Set, each with a place for its value, what
// is allowed, and a flag. A flag wins over the file, the file over the value
// that was in place (the default). Errors name the file, the line and the key,
// and say what is allowed. It will not do nesting, inline comments or includes.
package conf

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// fileBytesMax bounds what Load reads.
const fileBytesMax = 1 << 20

// A Set is the keys of one program. The zero value has none.
type Set struct {
	keys     []*key
	sections []string // of other programs, passed over
	notes    []func() string
	implied  []implication
}

// implication is what Imply says.
type implication struct {
	of    *key
	value string
	by    []*key
}

// key is one declared key.
type key struct {
	section, name string
	flag          string // without dashes; "" has none
	usage         string
	set           func(string) error // checks and stores
	get           func() string
	secret        bool
	from          string // where the value comes from; "" the default
	byFlag, named bool   // by a flag; in a file
}

// Ignore passes over whole sections, such as those of another program that
// shares the file.
func (s *Set) Ignore(sections ...string) { s.sections = append(s.sections, sections...) }

// Note has Print end with what f says of the values, if anything.
func (s *Set) Note(f func() string) { s.notes = append(s.notes, f) }

// Imply gives a key of a section a value when a file names one of the others of
// it, but not the key itself, and no flag sets that. All are declared already.
func (s *Set) Imply(section, name, value string, by ...string) {
	i := implication{of: s.find(section, name), value: value}
	for _, other := range by {
		i.by = append(i.by, s.find(section, other))
	}
	s.implied = append(s.implied, i)
}

// follow sets what the keys in the file imply.
func (i implication) follow(file string) error {
	by := slices.IndexFunc(i.by, func(k *key) bool { return k.named })
	if by < 0 || i.of.named || i.of.byFlag {
		return nil
	}
	i.of.from = file + ", which names " + i.by[by].name
	return i.of.set(i.value)
}

// add declares a key. Declaring one twice is a bug of the program.
func (s *Set) add(k *key) *key {
	if s.find(k.section, k.name) != nil {
		panic(fmt.Sprintf("conf: [%s] %s declared twice", k.section, k.name))
	}
	s.keys = append(s.keys, k)
	return k
}

func (s *Set) find(section, name string) *key {
	i := slices.IndexFunc(s.keys, func(k *key) bool { return k.section == section && k.name == name })
	if i < 0 {
		return nil
	}
	return s.keys[i]
}

// Flags declares the flags of the keys on fs. Parse it before Load.
func (s *Set) Flags(fs *flag.FlagSet) {
	for _, k := range s.keys {
		if k.flag == "" {
			continue
		}
		fs.Func(k.flag, fmt.Sprintf("%s; key `[%s] %s` of the file (default %s)", k.usage, k.section, k.name, k.get()),
			func(v string) error {
				k.byFlag, k.from = true, "--"+k.flag
				return k.set(v)
			})
	}
}

// Load reads a file. Keys that a flag has set keep the flag's value.
func (s *Set) Load(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, fileBytesMax+1))
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	if len(text) > fileBytesMax {
		return fmt.Errorf("%s: larger than %d bytes: not a configuration file", path, fileBytesMax)
	}
	return s.Parse(path, string(text))
}

// errorsMax bounds the errors of one file.
const errorsMax = 20

// Parse reads the text of a file; name stands in errors. It goes on after an
// error, reports up to 20, and may have set the other keys.
func (s *Set) Parse(name, text string) error {
	var errs []error
	section, known := "", true
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		var err error
		switch {
		case line == "" || line[0] == ';' || line[0] == '#':
		case line[0] == '[':
			section, err = s.section(line)
			known = err == nil
		case known: // what is in an unknown section is not judged
			err = s.assign(section, line, fmt.Sprintf("%s:%d", name, i+1))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: %w", name, i+1, err))
		}
		if len(errs) == errorsMax {
			return errors.Join(append(errs, errors.New("and perhaps more"))...)
		}
	}
	for _, i := range s.implied {
		if err := i.follow(name); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// section reads the head of one.
func (s *Set) section(line string) (string, error) {
	end := strings.IndexByte(line, ']')
	if end < 0 {
		return "", fmt.Errorf("%q: a section ends with ]", line)
	}
	section := strings.TrimSpace(line[1:end])
	if !s.knows(section) {
		return "", fmt.Errorf("unknown section [%s]; known: %s", section, strings.Join(s.known(), ", "))
	}
	return section, nil
}

func (s *Set) assign(section, line, from string) error {
	name, value, ok := strings.Cut(line, "=")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	switch {
	case !ok || name == "":
		return fmt.Errorf("%q: want key = value", line)
	case section == "":
		return fmt.Errorf("%s: key before the first [section]", name)
	case slices.Contains(s.sections, section):
		return nil
	}
	k := s.find(section, name)
	if k == nil {
		return fmt.Errorf("[%s] %s: unknown key; known: %s", section, name, strings.Join(s.keysOf(section), ", "))
	}
	if k.named = true; k.byFlag {
		return nil
	}
	if err := k.set(value); err != nil {
		return fmt.Errorf("[%s] %s: %w", section, name, err)
	}
	k.from = from
	return nil
}

func (s *Set) knows(section string) bool {
	return slices.Contains(s.sections, section) || len(s.keysOf(section)) > 0
}

// known are the sections, as written in a file.
func (s *Set) known() (names []string) {
	for _, k := range s.keys {
		if n := "[" + k.section + "]"; !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}

func (s *Set) keysOf(section string) (names []string) {
	for _, k := range s.keys {
		if k.section == section {
			names = append(names, k.name)
		}
	}
	return names
}

// Print writes what is in force, as a file with the origin of each value.
func (s *Set) Print(w io.Writer) {
	section := ""
	for _, k := range s.keys {
		if k.section != section {
			section = k.section
			fmt.Fprintf(w, "[%s]\n", section)
		}
		from := k.from
		if from == "" {
			from = "default"
		}
		value := k.get()
		if k.secret && value != "" {
			value = "(hidden)"
		}
		fmt.Fprintf(w, "%s = %s\n; ^ %s\n", k.name, value, from)
	}
	for _, f := range s.notes {
		if note := f(); note != "" {
			fmt.Fprintf(w, "; %s\n", note)
		}
	}
}
