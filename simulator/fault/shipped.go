package fault

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"
)

//go:embed plans/*.yaml
var plans embed.FS

// Names of the plans that are shipped.
func Names() []string {
	entries, _ := plans.ReadDir("plans") // it is embedded
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	slices.Sort(names)
	return names
}

// Shipped returns a plan by its name.
func Shipped(name string) (*Plan, error) {
	file := path.Join("plans", name+".yaml")
	data, err := plans.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("no plan %q; allowed: %s, or a file", name, strings.Join(Names(), ", "))
	}
	return Decode(file, data)
}
