package record

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ErrDerived is a file that does not follow from the raw files of its result.
var ErrDerived = errors.New("does not follow from the raw files")

// Verify checks every file of a result against its checksum, that the raw ones
// can be read, and that the others follow from them.
func Verify(dir string, more ...Derive) error {
	listed, err := readSums(dir)
	if err != nil {
		return err
	}
	for _, name := range sortedKeys(listed) {
		if err := verifyFile(filepath.Join(dir, name), listed[name]); err != nil {
			if _, derived, broken := rederive(dir, more); broken == nil && derived[name] != nil {
				return otherThanDerived(dir, name)
			}
			return err
		}
	}
	_, derived, err := rederive(dir, more)
	if err != nil {
		return err
	}
	for _, name := range sortedKeys(derived) {
		if have, ok := listed[name]; !ok || have != sum(derived[name]) {
			return otherThanDerived(dir, name)
		}
	}
	return nil
}

// Unlisted names what lies beside the files of a result and is none of them.
func Unlisted(dir string) ([]string, error) {
	listed, err := readSums(dir)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if name := e.Name(); listed[name] == "" && name != SumsFile {
			out = append(out, name)
		}
	}
	return out, nil
}

func otherThanDerived(dir, name string) error {
	return fmt.Errorf("%s: %w: 'lars bench render %s' makes it again", filepath.Join(dir, name), ErrDerived, dir)
}

// Render makes the derived files of a result again, and the checksums, and
// names the files that changed. A result whose raw files are not as they were
// written is refused: new checksums would hide that.
func Render(dir string, more ...Derive) (changed []string, err error) {
	listed, err := readSums(dir)
	if err != nil {
		return nil, err
	}
	f, derived, err := rederive(dir, more)
	if err != nil {
		return nil, err
	}
	for _, name := range append(f.Run.rawFiles(), RunFile) {
		if want, ok := listed[name]; ok {
			if err := verifyFile(filepath.Join(dir, name), want); err != nil {
				return nil, err
			}
		} else if name != MachineFile {
			return nil, refuse(ErrBroken, filepath.Join(dir, SumsFile), "does not name "+name, remedyRepeat)
		}
	}
	for _, name := range sortedKeys(derived) {
		content := derived[name]
		if have, err := os.ReadFile(filepath.Join(dir, name)); err == nil && bytes.Equal(have, content) && listed[name] == sum(content) {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return changed, err
		}
		listed[name], changed = sum(content), append(changed, name)
	}
	if changed == nil {
		return nil, nil
	}
	return changed, os.WriteFile(filepath.Join(dir, SumsFile), formatSums(listed), 0o644)
}

func rederive(dir string, more []Derive) (*Folder, map[string][]byte, error) {
	f, err := Open(dir)
	if err != nil {
		return nil, nil, err
	}
	derived, err := derive(f, more)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", dir, err)
	}
	return f, derived, nil
}

// readSums reads the checksums of a result, by name of the file.
func readSums(dir string) (map[string]string, error) {
	path := filepath.Join(dir, SumsFile)
	raw, err := readFile(path)
	if err != nil {
		return nil, err
	}
	listed := map[string]string{}
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSuffix(line, "\n")
		want, name, ok := strings.Cut(line, "  ")
		if !ok || name != filepath.Base(name) || name == "." || name == ".." {
			return nil, refuse(ErrBroken, path, fmt.Sprintf("line %.80q", line), remedyRepeat)
		}
		listed[name] = want
	}
	if listed[RunFile] == "" {
		return nil, refuse(ErrForeign, path, "does not name "+RunFile, "give the directory of a result")
	}
	return listed, nil
}

func verifyFile(path, want string) error {
	raw, err := readFile(path)
	if err != nil {
		return refuse(ErrBroken, path, err.Error(), remedyRepeat)
	}
	if sum(raw) != want {
		return refuse(ErrBroken, path, "its content does not match "+SumsFile, remedyRepeat)
	}
	return nil
}

// formatSums is what sha256sum -c reads.
func formatSums(listed map[string]string) []byte {
	var out bytes.Buffer
	for _, name := range sortedKeys(listed) {
		fmt.Fprintf(&out, "%s  %s\n", listed[name], name)
	}
	return out.Bytes()
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
