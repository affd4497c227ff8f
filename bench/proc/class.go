package proc

import (
	"fmt"
	"strings"
)

// Class names the kind of machine, for what is learned once and used by all
// machines like it: the processor's model, how many there are, whether they are
// virtual, and the kernel's first two numbers. It is fit for a folder's name.
// Unlike ID it is the same for two machines that were set up alike.
func (m Machine) Class() string {
	kind := "metal"
	if m.Hypervisor {
		kind = "vm"
	}
	return slug(fmt.Sprintf("%s-%s-%dcpu-%s-linux-%s", m.Architecture, m.CPUModel, m.CPUs, kind, firstNumbers(m.Kernel)))
}

// classBytesMax keeps the name of a class within what files and results take.
const classBytesMax = 64

// slug is what of a text a name may hold: lower case, digits, and dashes or dots
// between.
func slug(text string) string {
	for _, noise := range []string{"(R)", "(TM)", "(tm)", "CPU @", "Processor"} {
		text = strings.ReplaceAll(text, noise, " ")
	}
	var b strings.Builder
	gap := false
	for _, r := range strings.ToLower(text) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' {
			if gap && b.Len() > 0 {
				b.WriteByte('-')
			}
			gap = false
			b.WriteRune(r)
		} else {
			gap = true
		}
	}
	out := b.String()
	if over := len(out) - classBytesMax; over > 0 {
		out = out[over:] // the end says more than the start of a long model name
	}
	return strings.TrimLeft(out, "-.")
}

// firstNumbers is 6.18 of 6.18.3-generic.
func firstNumbers(release string) string {
	parts := strings.FieldsFunc(release, func(r rune) bool { return r < '0' || r > '9' })
	return strings.Join(parts[:min(2, len(parts))], ".")
}
