package mysql

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lars/system/store"
)

func TestConfigRefused(t *testing.T) {
	long := filepath.Join(t.TempDir(), "long")
	if err := os.WriteFile(long, []byte(strings.Repeat("x", passwordBytesMax+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]Config{
		"no user":           {},
		"no password file":  {User: "u", PasswordFile: filepath.Join(t.TempDir(), "none")},
		"long file":         {User: "u", PasswordFile: long},
		"variable not set":  {User: "u", PasswordEnv: "LARS_TEST_NOT_SET"},
		"unknown TLS":       {User: "u", TLS: "perhaps"},
		"folder for a file": {User: "u", PasswordFile: t.TempDir()},
	} {
		if _, err := Open(c); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
}

func TestConfigDefaultsAreTheOriginals(t *testing.T) {
	d, err := Config{User: "u", Password: "p"}.driver()
	if err != nil || d.Addr != "127.0.0.1:3306" || d.DBName != "lars_dns" || d.Passwd != "p" {
		t.Errorf("%s at %s, %v", d.DBName, d.Addr, err)
	}
}

func TestSecretIsNotPrinted(t *testing.T) {
	c := Config{User: "u", Password: "hush"}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, c); strings.Contains(text, "hush") {
			t.Errorf("%s prints %s", format, text)
		}
	}
}

func TestErrorNumbers(t *testing.T) {
	if alreadyDone(errors.New("other")) || connectionLost(errors.New("other")) {
		t.Error("an unknown error is taken for a known one")
	}
	if kind, repeat := classify(errors.New("other")); kind != nil || repeat {
		t.Errorf("classify(other) = %v, %v", kind, repeat)
	}
}
