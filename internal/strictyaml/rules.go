package strictyaml

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// field is one key of a struct.
type field struct {
	key      string
	index    int
	required bool
	doc      string
	rules    rules
}

// rules are what the tags of a field say.
type rules struct {
	least, most string // of "range", as written; empty: no limit
	words       []string
	pattern     string
	lenLeast    int
	lenMost     int // 0: no limit
}

// fieldsOf reads the tags of a struct. Tags that cannot be read panic.
func fieldsOf(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		f := t.Field(i)
		key, rest, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if key == "-" || !f.IsExported() {
			continue
		}
		if key == "" || rest != "" && rest != "required" {
			panic(fmt.Sprintf("strictyaml: %s.%s: tag %q", t, f.Name, f.Tag))
		}
		out = append(out, field{key, i, rest == "required", f.Tag.Get("doc"), rulesOf(f)})
	}
	return out
}

func rulesOf(f reflect.StructField) rules {
	r := rules{words: strings.Fields(f.Tag.Get("oneof")), pattern: f.Tag.Get("pattern")}
	must := func(ok bool) {
		if !ok {
			panic(fmt.Sprintf("strictyaml: %s: tag %q", f.Name, f.Tag))
		}
	}
	if s, has := f.Tag.Lookup("range"); has {
		var ok bool
		r.least, r.most, ok = strings.Cut(s, "..")
		must(ok)
	}
	if s, has := f.Tag.Lookup("len"); has {
		least, most, ok := strings.Cut(s, "..")
		must(ok)
		var err1, err2 error
		r.lenLeast, err1 = strconv.Atoi(least)
		r.lenMost, err2 = strconv.Atoi(most)
		must(err1 == nil && err2 == nil)
	}
	return r
}

// ofItems are the rules of each item of a list: all but its length.
func (r rules) ofItems() rules {
	r.lenLeast, r.lenMost = 0, 0
	return r
}

// check says what is wrong with a value, or nothing.
func (r rules) check(v reflect.Value) string {
	if v.Kind() == reflect.String {
		return r.checkText(v.String())
	}
	if !isNumber(v.Type()) {
		return ""
	}
	below := r.least != "" && number(v) < limit(v.Type(), r.least)
	above := r.most != "" && number(v) > limit(v.Type(), r.most)
	if below || above {
		return fmt.Sprintf("%v is out of range", v.Interface())
	}
	return ""
}

func (r rules) checkText(s string) string {
	switch {
	case len(r.words) > 0 && !slices.Contains(r.words, s):
		return fmt.Sprintf("%.60q", s)
	case r.pattern != "" && !regexp.MustCompile(r.pattern).MatchString(s):
		return fmt.Sprintf("%.60q", s)
	case r.checkLen(utf8.RuneCountInString(s), "characters") != "":
		return fmt.Sprintf("%d characters", utf8.RuneCountInString(s))
	}
	return ""
}

// checkLen says what is wrong with a length, or nothing.
func (r rules) checkLen(n int, unit string) string {
	if n < r.lenLeast || r.lenMost > 0 && n > r.lenMost {
		return fmt.Sprintf("%d %s; allowed: %d to %d", n, unit, r.lenLeast, r.lenMost)
	}
	return ""
}

func isNumber(t reflect.Type) bool {
	return t.Kind() != reflect.String && t.Kind() != reflect.Bool && isScalar(t) && !isText(t)
}

// number is any number as a float: the limits of tags are small enough for it.
func number(v reflect.Value) float64 {
	switch {
	case v.CanFloat():
		return v.Float()
	case v.CanUint():
		return float64(v.Uint())
	}
	return float64(v.Int())
}

// limit reads an end of a range tag; one that cannot be read panics.
func limit(t reflect.Type, s string) float64 {
	if t == durationType {
		d, err := time.ParseDuration(s)
		if err != nil {
			panic("strictyaml: range of a duration: " + err.Error())
		}
		return float64(d)
	}
	x, err := strconv.ParseFloat(s, 64)
	if err != nil {
		panic("strictyaml: range: " + err.Error())
	}
	return x
}

// allowed tells people what a value may be.
func (r rules) allowed(t reflect.Type) string {
	var what string
	switch {
	case t == durationType:
		what = "a time such as 250ms or 5s"
	case isText(t):
		return "a text"
	case t.Kind() == reflect.String && len(r.words) > 0:
		return strings.Join(r.words, ", ")
	case t.Kind() == reflect.String && r.pattern != "":
		return "what matches " + r.pattern
	case t.Kind() == reflect.String && r.lenMost > 0:
		return fmt.Sprintf("a text of %d to %d characters", r.lenLeast, r.lenMost)
	case t.Kind() == reflect.String:
		return "a text"
	case t.Kind() == reflect.Bool:
		return "true, false"
	case t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64:
		what = "a number"
	default:
		what = "a whole number"
	}
	switch {
	case r.least != "" && r.most != "":
		return fmt.Sprintf("%s from %s to %s", what, r.least, r.most)
	case r.least != "":
		return fmt.Sprintf("%s from %s", what, r.least)
	case r.most != "":
		return fmt.Sprintf("%s up to %s", what, r.most)
	}
	return what
}

func keysOf(fields []field) string {
	var keys []string
	for _, f := range fields {
		keys = append(keys, f.key)
	}
	return strings.Join(keys, ", ")
}

func requiredOf(fields []field) string {
	return keysOf(slices.DeleteFunc(slices.Clone(fields), func(f field) bool { return !f.required }))
}
