package strictyaml

import (
	"encoding"
	"math"
	"reflect"
	"regexp"
	"time"

	"go.yaml.in/yaml/v3"
)

var (
	durationType = reflect.TypeFor[time.Duration]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// isText: the type reads itself.
func isText(t reflect.Type) bool { return reflect.PointerTo(t).Implements(textType) }

func isScalar(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return true
	}
	return isText(t)
}

// durationPattern is what time.ParseDuration takes, without signs.
const durationPattern = `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`

var durationForm = regexp.MustCompile(durationPattern)

// scalar puts one word of a file into v.
func (d *decoder) scalar(path string, n *yaml.Node, v reflect.Value, r rules) {
	allowed := r.allowed(v.Type())
	wrong := func() { d.fail(path, n, "%s; allowed: %s", kindOf(n), allowed) }
	if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" {
		wrong()
		return
	}
	tag := n.ShortTag()
	switch t := v.Type(); {
	case t == durationType:
		took, err := time.ParseDuration(n.Value)
		if err != nil || tag != "!!str" || !durationForm.MatchString(n.Value) {
			wrong()
			return
		}
		v.SetInt(int64(took))
	case isText(t) && tag != "!!str":
		wrong()
		return
	case isText(t):
		if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.Value)); err != nil {
			d.fail(path, n, "%q: %v", n.Value, err)
			return
		}
	case t.Kind() == reflect.String:
		if tag != "!!str" {
			d.fail(path, n, "%s is no text; allowed: %s (write \"%s\" with quotes if it is meant)", n.Value, allowed, n.Value)
			return
		}
		v.SetString(n.Value)
	case t.Kind() == reflect.Bool:
		if n.Value != "true" && n.Value != "false" || tag != "!!bool" {
			wrong()
			return
		}
		v.SetBool(n.Value == "true")
	case v.CanFloat():
		var x float64
		if tag != "!!int" && tag != "!!float" || n.Decode(&x) != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			wrong()
			return
		}
		v.SetFloat(x)
	default:
		// The target's own width is the first range that is checked.
		if tag != "!!int" {
			wrong()
			return
		}
		if n.Decode(v.Addr().Interface()) != nil {
			d.fail(path, n, "%s is out of range; allowed: %s", n.Value, allowed)
			return
		}
	}
	if text := r.check(v); text != "" {
		d.fail(path, n, "%s; allowed: %s", text, allowed)
	}
}
