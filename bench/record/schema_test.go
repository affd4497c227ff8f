package record

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const schemas = "../../results/schema/"

// schema checks values against the part of JSON Schema that the file uses. It
// is strict: a field that the schema does not name is an error, so that none
// can be written undocumented.
type schema struct{ defs map[string]any }

func loadSchema(t *testing.T) (schema, map[string]any) { return loadSchemaOf(t, "run") }

func loadSchemaOf(t *testing.T, kind string) (schema, map[string]any) {
	t.Helper()
	raw, err := os.ReadFile(schemas + kind + ".v1.json")
	if err != nil {
		t.Fatal(err)
	}
	var root map[string]any
	if err := json.Unmarshal(raw, &root); err != nil {
		t.Fatal(err)
	}
	return schema{root["$defs"].(map[string]any)}, root
}

func (s schema) check(at string, rule map[string]any, v any) []string {
	if ref, ok := rule["$ref"].(string); ok {
		return s.check(at, s.defs[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any), v)
	}
	var bad []string
	fail := func(format string, args ...any) { bad = append(bad, at+": "+fmt.Sprintf(format, args...)) }
	if want, ok := rule["const"]; ok && want != v {
		fail("is %v, want %v", v, want)
	}
	if allowed, ok := rule["enum"].([]any); ok && !slices.Contains(allowed, v) {
		fail("is %v, want one of %v", v, allowed)
	}
	switch rule["type"] {
	case "object":
		bad = append(bad, s.checkObject(at, rule, v)...)
	case "array":
		bad = append(bad, s.checkArray(at, rule, v)...)
	case "string":
		text, ok := v.(string)
		if !ok {
			fail("%v is no string", v)
		}
		if p, has := rule["pattern"].(string); has && !regexp.MustCompile(p).MatchString(text) {
			fail("%q does not match %s", text, p)
		}
	case "boolean":
		if _, ok := v.(bool); !ok {
			fail("%v is no boolean", v)
		}
	case "integer", "number":
		n, ok := v.(float64)
		if !ok || rule["type"] == "integer" && n != math.Trunc(n) {
			fail("%v is no %v", v, rule["type"])
		}
		if least, has := rule["minimum"].(float64); has && n < least {
			fail("%v is below %v", n, least)
		}
	}
	return bad
}

func (s schema) checkObject(at string, rule map[string]any, v any) []string {
	o, ok := v.(map[string]any)
	if !ok {
		return []string{at + ": no object"}
	}
	var bad []string
	required, _ := rule["required"].([]any)
	for _, name := range required {
		if _, ok := o[name.(string)]; !ok {
			bad = append(bad, at+"."+name.(string)+": missing")
		}
	}
	props, _ := rule["properties"].(map[string]any)
	if rule["additionalProperties"] == true {
		return bad
	}
	for name, value := range o {
		sub, ok := props[name].(map[string]any)
		if !ok {
			sub, ok = rule["additionalProperties"].(map[string]any)
		}
		if !ok {
			bad = append(bad, at+"."+name+": not in the schema")
			continue
		}
		bad = append(bad, s.check(at+"."+name, sub, value)...)
	}
	return bad
}

func (s schema) checkArray(at string, rule map[string]any, v any) []string {
	list, ok := v.([]any)
	if !ok {
		return []string{at + ": no array"}
	}
	var bad []string
	if least, has := rule["minItems"].(float64); has && float64(len(list)) < least {
		bad = append(bad, at+": too few")
	}
	for i, item := range list {
		bad = append(bad, s.check(fmt.Sprintf("%s[%d]", at, i), rule["items"].(map[string]any), item)...)
	}
	return bad
}

func asJSON(t *testing.T, v any) any {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestSchema: what we write is what the schema says, with every optional field
// and without any.
func TestSchema(t *testing.T) {
	s, root := loadSchema(t)
	full := sample(t).Run
	if bad := s.check("run", root, asJSON(t, full)); bad != nil {
		t.Errorf("full result:\n%s", strings.Join(bad, "\n"))
	}
	bare := sample(t).Run
	bare.Notes, bare.Design.Baseline = nil, ""
	a := &bare.Arms[0]
	a.Backend, a.Module, a.Command, a.Address, a.Idle, a.Syscalls, a.Sweep = "", "", nil, "", nil, nil, nil
	a.Rounds[0].Workers = nil
	a.Rounds[0].Server, a.Rounds[0].MachineShares, a.Metrics[0].Ratio = nil, nil, nil
	if bad := s.check("run", root, asJSON(t, bare)); bad != nil {
		t.Errorf("bare result:\n%s", strings.Join(bad, "\n"))
	}
}

// TestSchemaComplete: every field of the types is in the schema, used in the
// sample or not.
func TestSchemaComplete(t *testing.T) {
	for kind, typ := range map[string]reflect.Type{"run": reflect.TypeFor[Run](), "noise": reflect.TypeFor[Noise](), "gate": reflect.TypeFor[Gate]()} {
		s, root := loadSchemaOf(t, kind)
		s.complete(t, kind, root, typ)
	}
}

func (s schema) complete(t *testing.T, at string, rule map[string]any, typ reflect.Type) {
	var walk func(at string, rule map[string]any, typ reflect.Type)
	walk = func(at string, rule map[string]any, typ reflect.Type) {
		if ref, ok := rule["$ref"].(string); ok {
			rule = s.defs[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
		}
		switch typ.Kind() {
		case reflect.Pointer:
			walk(at, rule, typ.Elem())
		case reflect.Slice:
			walk(at, rule["items"].(map[string]any), typ.Elem())
		case reflect.Struct:
			props := rule["properties"].(map[string]any)
			for i := range typ.NumField() {
				name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
				sub, ok := props[name].(map[string]any)
				if !ok {
					t.Errorf("%s.%s is not in the schema", at, name)
					continue
				}
				walk(at+"."+name, sub, typ.Field(i).Type)
			}
			if len(props) != typ.NumField() {
				t.Errorf("%s: the schema names %d fields, the type has %d", at, len(props), typ.NumField())
			}
		}
	}
	walk(at, rule, typ)
}

// TestSchemaRefuses makes sure that the checker of this test can fail.
func TestSchemaRefuses(t *testing.T) {
	s, root := loadSchema(t)
	for name, spoil := range map[string]func(map[string]any){
		"missing":  func(o map[string]any) { delete(o, "id") },
		"unknown":  func(o map[string]any) { o["new"] = 1.0 },
		"type":     func(o map[string]any) { o["started"] = 5.0 },
		"enum":     func(o map[string]any) { o["kind"] = "double" },
		"const":    func(o map[string]any) { o["schema"] = "x" },
		"integer":  func(o map[string]any) { o["duration_ns"] = 0.5 },
		"minimum":  func(o map[string]any) { o["duration_ns"] = -1.0 },
		"minItems": func(o map[string]any) { o["arms"] = []any{} },
		"nested":   func(o map[string]any) { delete(o["tool"].(map[string]any), "go") },
	} {
		o := asJSON(t, sample(t).Run).(map[string]any)
		spoil(o)
		if s.check("run", root, o) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
