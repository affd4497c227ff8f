package strictyaml

import (
	"bytes"
	"encoding/json"
	"reflect"
)

// Schema is the JSON Schema (draft 2020-12) of files that Decode takes for a
// struct like v, indented, with a newline at the end.
//
// Whatever Decode takes it takes too, but not the other way round: limits of
// durations, and what a type that reads itself from text refuses, only the text
// of a description can hold.
func Schema(id, title string, v any) []byte {
	root := object(reflect.TypeOf(v))
	root = append(node{{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"$id", id}, {"title", title}}, root...)
	raw, err := root.MarshalJSON()
	if err != nil {
		panic(err) // of texts and numbers
	}
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "  "); err != nil {
		panic(err)
	}
	out.WriteByte('\n')
	return out.Bytes()
}

// node is a JSON object that keeps the order of its keys.
type node []pair

type pair struct {
	key   string
	value any
}

// MarshalJSON writes the keys in order.
func (n node) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, p := range n {
		if i > 0 {
			out = append(out, ',')
		}
		value, err := json.Marshal(p.value)
		if err != nil {
			return nil, err
		}
		key, _ := json.Marshal(p.key)
		out = append(append(append(out, key...), ':'), value...)
	}
	return append(out, '}'), nil
}

func object(t reflect.Type) node {
	props := node{}
	var required []string
	for _, f := range fieldsOf(t) {
		one := rule(t.Field(f.index).Type, f.rules)
		if f.doc != "" {
			one = append(node{{"description", f.doc}}, one...)
		}
		props = append(props, pair{f.key, one})
		if f.required {
			required = append(required, f.key)
		}
	}
	out := node{{"type", "object"}, {"additionalProperties", false}}
	if required != nil {
		out = append(out, pair{"required", required})
	}
	return append(out, pair{"properties", props})
}

func rule(t reflect.Type, r rules) node {
	switch {
	case t.Kind() == reflect.Pointer && !isText(t):
		return rule(t.Elem(), r)
	case isScalar(t):
		return scalarRule(t, r)
	case t.Kind() == reflect.Struct:
		return object(t)
	case t.Kind() == reflect.Map:
		return length(node{{"type", "object"}, {"additionalProperties", rule(t.Elem(), r.ofItems())}}, r, "minProperties", "maxProperties")
	case t.Kind() == reflect.Slice:
		return length(node{{"type", "array"}, {"items", rule(t.Elem(), r.ofItems())}}, r, "minItems", "maxItems")
	}
	panic("strictyaml: a field of type " + t.String())
}

func scalarRule(t reflect.Type, r rules) node {
	switch {
	case t == durationType:
		return node{{"type", "string"}, {"pattern", durationPattern}, {"$comment", r.allowed(t)}}
	case isText(t):
		return textRule(t)
	case t.Kind() == reflect.Bool:
		return node{{"type", "boolean"}}
	case t.Kind() == reflect.String:
		out := node{{"type", "string"}}
		if len(r.words) > 0 {
			out = append(out, pair{"enum", r.words})
		}
		if r.pattern != "" {
			out = append(out, pair{"pattern", r.pattern})
		}
		return length(out, r, "minLength", "maxLength")
	}
	out := node{{"type", "integer"}}
	if t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64 {
		out = node{{"type", "number"}}
	}
	if r.least != "" {
		out = append(out, pair{"minimum", limit(t, r.least)})
	} else if k := t.Kind(); k >= reflect.Uint && k <= reflect.Uint64 {
		out = append(out, pair{"minimum", 0})
	}
	if r.most != "" {
		out = append(out, pair{"maximum", limit(t, r.most)})
	}
	return out
}

// textRule tells more of a text type that says more of itself.
func textRule(t reflect.Type) node {
	out := node{{"type", "string"}}
	switch x := reflect.Zero(t).Interface().(type) {
	case interface{ Words() []string }:
		out = append(out, pair{"enum", x.Words()})
	case interface{ Pattern() string }:
		out = append(out, pair{"pattern", x.Pattern()})
	}
	return out
}

func length(n node, r rules, least, most string) node {
	if r.lenLeast > 0 {
		n = append(n, pair{least, r.lenLeast})
	}
	if r.lenMost > 0 {
		n = append(n, pair{most, r.lenMost})
	}
	return n
}
