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
	data, err := Text(name)
	if err != nil {
		return nil, err
	}
	return Decode(name+".yaml", data)
}

// Text is the file of a shipped plan.
func Text(name string) ([]byte, error) {
	data, err := plans.ReadFile(path.Join("plans", name+".yaml"))
	if err != nil {
		return nil, fmt.Errorf("no plan %q; shipped are %s", name, strings.Join(Names(), ", "))
	}
	return data, nil
}
