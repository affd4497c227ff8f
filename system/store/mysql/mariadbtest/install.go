package mariadbtest

import (
	"bytes"
	"database/sql/driver"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

type sqlConnector = driver.Connector

// commonFlags keep the server apart from any other on the machine, and small.
// Commits are flushed as in production, or the benchmarks would lie.
func (s *Server) commonFlags() []string {
	flags := []string{
		"--no-defaults",
		"--datadir=" + filepath.Join(s.folder, "data"), "--tmpdir=" + filepath.Join(s.folder, "tmp"),
		"--innodb-log-file-size=64M", "--innodb-buffer-pool-size=128M", "--innodb-flush-log-at-trx-commit=1",
	}
	if os.Getuid() == 0 {
		flags = append(flags, "--user=root")
	}
	return flags
}

func (s *Server) logPath() string  { return filepath.Join(s.folder, "error.log") }
func (s *Server) initPath() string { return filepath.Join(s.folder, "init.sql") }

// install makes the data folder: what mariadb-install-db does, without needing
// the other programs of the distribution's full package.
func (s *Server) install() error {
	for _, sub := range []string{"data", "tmp"} {
		if err := os.MkdirAll(filepath.Join(s.folder, sub), 0o700); err != nil {
			return err
		}
	}
	script, err := s.systemTables()
	if err != nil {
		return err
	}
	cmd := exec.Command(s.program, append(s.commonFlags(), "--bootstrap", "--skip-networking", "--log-warnings=0")...)
	cmd.Stdin = bytes.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mariadb bootstrap: %w\n%s", err, lastBytes(out))
	}
	// Run at each start, and so must be repeatable. The root account has no use.
	init := "CREATE USER IF NOT EXISTS '" + user + "'@'127.0.0.1' IDENTIFIED BY '" + s.password + "';\n" +
		"GRANT ALL ON `lars\\_%`.* TO '" + user + "'@'127.0.0.1';\n" +
		"GRANT PROCESS, CONNECTION ADMIN ON *.* TO '" + user + "'@'127.0.0.1';\n" +
		"DELETE FROM mysql.global_priv WHERE User <> '" + user + "' AND User <> 'mariadb.sys';\n" +
		"FLUSH PRIVILEGES;\n"
	return os.WriteFile(s.initPath(), []byte(init), 0o600)
}

// systemTables finds the scripts that come with the server, which changed their
// names with version 11.
func (s *Server) systemTables() ([]byte, error) {
	prefix := filepath.Dir(filepath.Dir(s.program))
	for _, name := range []string{"mysql", "mariadb"} {
		for _, folder := range []string{prefix + "/share", "/usr/share"} {
			script, err := concat(filepath.Join(folder, name), name+"_system_tables.sql",
				name+"_performance_tables.sql", name+"_system_tables_data.sql")
			if err == nil {
				return append([]byte("CREATE DATABASE mysql;\nUSE mysql;\n"), script...), nil
			}
		}
	}
	return nil, fmt.Errorf("no system table scripts beside %s", strconv.Quote(s.program))
}

func concat(folder string, names ...string) ([]byte, error) {
	var all []byte
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return nil, err
		}
		all = append(append(all, text...), '\n')
	}
	return all, nil
}

func (s *Server) logTail() string {
	text, err := os.ReadFile(s.logPath())
	if err != nil {
		return ""
	}
	return string(lastBytes(text))
}

func lastBytes(text []byte) []byte {
	const shown = 2000
	return text[max(0, len(text)-shown):]
}
