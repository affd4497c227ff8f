package strictyaml

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// BytesMax is the size of the largest file that is read.
const BytesMax = 1 << 20

// problemsMax is how many problems of a file are told at once.
const problemsMax = 10

// An Error is one thing that is wrong with a file.
type Error struct {
	File string
	Line int    // from 1; 0: the file as a whole
	Text string // what is wrong, and what is allowed
}

// Error is "file:line: text".
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Text
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Text)
}

// Lines tells where the keys of a decoded file stand, for what is checked after
// decoding.
type Lines struct {
	file string
	at   map[string]int
}

// Errorf is an Error at the key that path names ("load.rate", "steps[2].at"), or
// at the nearest key around it that the file has. The text begins with path.
func (l *Lines) Errorf(path, format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	if path != "" {
		text = path + ": " + text
	}
	line, ok := l.at[path]
	for near := path; !ok && near != ""; line, ok = l.at[near] {
		near = near[:max(0, strings.LastIndexAny(near, ".["))]
	}
	return &Error{l.file, line, text}
}

// ReadFile decodes a file of at most BytesMax bytes: see Decode.
func ReadFile(path string, into any) (*Lines, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := ReadAll(path, f)
	if err != nil {
		return nil, err
	}
	return Decode(path, data, into)
}

// ReadAll reads what Decode takes, for who wants the text too.
func ReadAll(file string, r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, BytesMax+1))
	if err == nil && len(data) > BytesMax {
		err = &Error{file, 0, fmt.Sprintf("larger than %d bytes", BytesMax)}
	}
	return data, err
}

// Decode reads the one document of a file into the struct that into points to.
// Its error joins up to ten of type *Error, in the order of lines; into is then
// half filled and of no use. file is the name for errors.
//
// A struct whose tags are wrong is a mistake of the program: Decode panics.
func Decode(file string, data []byte, into any) (*Lines, error) {
	d := decoder{file: file, lines: Lines{file, map[string]int{}}}
	root, err := d.parse(data)
	if err != nil {
		return nil, err
	}
	d.value("", root, reflect.ValueOf(into).Elem(), rules{})
	if len(d.problems) > 0 {
		slices.SortStableFunc(d.problems, func(a, b *Error) int { return cmp.Compare(a.Line, b.Line) })
		var errs []error
		for _, p := range d.problems[:min(len(d.problems), problemsMax)] {
			errs = append(errs, p)
		}
		return nil, errors.Join(errs...)
	}
	return &d.lines, nil
}

type decoder struct {
	file     string
	lines    Lines
	problems []*Error
}

// yamlLine is how the library tells a place.
var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// parse returns the one document's value.
func (d *decoder) parse(data []byte) (*yaml.Node, error) {
	if len(data) > BytesMax {
		return nil, &Error{d.file, 0, fmt.Sprintf("larger than %d bytes", BytesMax)}
	}
	in := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	err := in.Decode(&doc)
	switch {
	case errors.Is(err, io.EOF), err == nil && len(doc.Content) != 1:
		return nil, &Error{d.file, 0, "is empty"}
	case err != nil:
		return nil, d.syntax(err)
	}
	switch err := in.Decode(&more); {
	case err == nil:
		return nil, &Error{d.file, more.Line, "a second document; allowed: one"}
	case !errors.Is(err, io.EOF):
		return nil, d.syntax(err)
	}
	return doc.Content[0], nil
}

func (d *decoder) syntax(err error) error {
	text := err.Error()
	m := yamlLine.FindStringSubmatch(text)
	if m == nil {
		return &Error{d.file, 0, text}
	}
	line, _ := strconv.Atoi(m[1])
	return &Error{d.file, line, "no YAML: " + text[len(m[0]):]}
}

// fail notes a problem at a node.
func (d *decoder) fail(path string, n *yaml.Node, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if path != "" {
		text = path + ": " + text
	}
	d.problems = append(d.problems, &Error{d.file, n.Line, text})
}

// value puts a node into v.
func (d *decoder) value(path string, n *yaml.Node, v reflect.Value, r rules) {
	if len(d.problems) >= problemsMax {
		return
	}
	d.lines.at[path] = n.Line
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		d.fail(path, n, "anchors and aliases are not allowed: write it out")
	case n.Kind == yaml.ScalarNode && n.Style&yaml.TaggedStyle != 0:
		d.fail(path, n, "tags such as %s are not allowed", n.Tag)
	case v.Kind() == reflect.Pointer && !isText(v.Type()):
		p := reflect.New(v.Type().Elem())
		d.value(path, n, p.Elem(), r)
		v.Set(p)
	case isScalar(v.Type()):
		d.scalar(path, n, v, r)
	case v.Kind() == reflect.Struct:
		d.object(path, n, v)
	case v.Kind() == reflect.Slice:
		d.list(path, n, v, r)
	case v.Kind() == reflect.Map:
		d.table(path, n, v, r)
	default:
		panic("strictyaml: a field of type " + v.Type().String())
	}
}

// join names a key below path.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// pairs yields the keys and values of a mapping, each key once.
func (d *decoder) pairs(path string, n *yaml.Node, yield func(key, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		d.fail(path, n, "%s; allowed: keys with values", kindOf(n))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch first, twice := seen[key.Value]; {
		case key.Kind != yaml.ScalarNode || key.Anchor != "" || key.Tag == "!!merge":
			d.fail(path, key, "%s as a key; allowed: a word", kindOf(key))
		case twice:
			d.fail(join(path, key.Value), key, "a second time; the first is in line %d", first)
		default:
			seen[key.Value] = key.Line
			yield(key, value)
		}
	}
}

func (d *decoder) object(path string, n *yaml.Node, v reflect.Value) {
	fields := fieldsOf(v.Type())
	missing := map[string]bool{}
	for _, f := range fields {
		missing[f.key] = f.required
	}
	before := len(d.problems)
	d.pairs(path, n, func(key, value *yaml.Node) {
		i := slices.IndexFunc(fields, func(f field) bool { return f.key == key.Value })
		if i < 0 {
			d.fail(join(path, key.Value), key, "unknown key; allowed: %s", keysOf(fields))
			return
		}
		delete(missing, key.Value)
		d.value(join(path, key.Value), value, v.Field(fields[i].index), fields[i].rules)
		d.lines.at[join(path, key.Value)] = key.Line // of a block, the line above its first
	})
	for _, f := range fields {
		if missing[f.key] && len(d.problems) == before {
			d.fail(join(path, f.key), n, "missing; required here: %s", requiredOf(fields))
		}
	}
}

func (d *decoder) list(path string, n *yaml.Node, v reflect.Value, r rules) {
	if n.Kind != yaml.SequenceNode {
		d.fail(path, n, "%s; allowed: a list", kindOf(n))
		return
	}
	if text := r.checkLen(len(n.Content), "items"); text != "" {
		d.fail(path, n, "%s", text)
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		d.value(fmt.Sprintf("%s[%d]", path, i), item, out.Index(i), r.ofItems())
	}
	v.Set(out)
}

func (d *decoder) table(path string, n *yaml.Node, v reflect.Value, r rules) {
	out := reflect.MakeMap(v.Type())
	d.pairs(path, n, func(key, value *yaml.Node) {
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(join(path, key.Value), value, item, r.ofItems())
		out.SetMapIndex(reflect.ValueOf(key.Value).Convert(v.Type().Key()), item)
	})
	if text := r.checkLen(out.Len(), "keys"); text != "" {
		d.fail(path, n, "%s", text)
	}
	v.Set(out)
}

// kindOf names what stands in a file.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys with values"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	switch n.ShortTag() {
	case "!!null":
		return "no value"
	case "!!merge":
		return "a merge"
	case "!!str":
		return fmt.Sprintf("the text %.60q", n.Value)
	}
	return fmt.Sprintf("%.60s", n.Value)
}
