// Package mariadbtest runs a private MariaDB server for tests: its own data
// folder, socket and loopback port, its own user with a random password, removed
// at the end, also when the test program is killed. It uses no system service and none of its files. It is for tests
// of this repository only.
//
//	func TestSomething(t *testing.T) {
//		server := mariadbtest.Start(t)          // stopped by t.Cleanup
//		st, err := mysql.Open(server.NewDatabase(t))
//
// A missing server program is installed by scripts/mariadb.sh; if that cannot be,
// the test fails and says what to do. With LARS_NO_MARIADB=1 it is skipped, and
// says so.
package mariadbtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"lars/internal/loopback"
	"lars/system/store/mysql"
)

const (
	startWait = 60 * time.Second
	stopWait  = 20 * time.Second

	user = "lars_test"
)

// Server is a running (or stopped) private server.
type Server struct {
	program   string
	folder    string
	ip        string // its own, where the port stays free while the server is stopped
	port      int
	password  string
	databases atomic.Int64

	process *os.Process
	exited  chan struct{} // closed when process is gone
	guard   *guard
}

// Start starts a server that lives until the test ends.
func Start(tb testing.TB) *Server {
	tb.Helper()
	if os.Getenv("LARS_NO_MARIADB") == "1" {
		tb.Skip("LARS_NO_MARIADB=1: the tests against MariaDB are left out")
	}
	program, err := findProgram()
	if err != nil {
		tb.Fatal(err)
	}
	// Not tb.TempDir: the path of a socket must be short.
	folder, err := os.MkdirTemp("", "lars-db-")
	if err != nil {
		tb.Fatal(err)
	}
	s := &Server{program: program, folder: folder, ip: loopback.Own().String(), password: rand.Text()}
	tb.Cleanup(func() {
		s.Stop(tb)
		if err := os.RemoveAll(folder); err != nil {
			tb.Error(err)
		}
	})
	if err := s.install(); err != nil {
		tb.Fatal(err)
	}
	s.Start(tb)
	return s
}

// findProgram asks the script, which looks and if need be installs.
func findProgram() (string, error) {
	_, self, _, _ := runtime.Caller(0)
	script := filepath.Join(filepath.Dir(self), "../../../../scripts/mariadb.sh")
	var stderr strings.Builder
	cmd := exec.Command("/bin/sh", script)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("no MariaDB server for the tests: %s (%w)", strings.TrimSpace(stderr.String()), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Start starts a stopped server again, on the same port and data.
func (s *Server) Start(tb testing.TB) {
	tb.Helper()
	const portAttempts = 5
	var err error
	for range portAttempts {
		if err = s.start(); err == nil || s.databases.Load() > 0 {
			break // once a database was handed out, its port must stay
		}
		s.port = 0 // taken by another since we looked
	}
	if err != nil {
		tb.Fatalf("mariadb: %v\n%s", err, s.logTail())
	}
}

func (s *Server) start() error {
	if s.process != nil {
		return errors.New("is running")
	}
	if s.port == 0 {
		port, err := s.freePort()
		if err != nil {
			return err
		}
		s.port = port
	}
	cmd := exec.Command(s.program, append(s.commonFlags(),
		"--socket="+filepath.Join(s.folder, "socket"), "--pid-file="+filepath.Join(s.folder, "pid"),
		"--skip-networking=0", "--bind-address="+s.ip, fmt.Sprintf("--port=%d", s.port),
		"--log-error="+s.logPath(), "--init-file="+s.initPath(),
		"--skip-name-resolve", "--performance-schema=0", "--skip-slave-start", "--max-connections=200")...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is for the test program
	if err := cmd.Start(); err != nil {
		return err
	}
	s.exited = make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(s.exited)
	}()
	s.process = cmd.Process
	guard, err := newGuard(cmd.Process.Pid, s.folder)
	if err != nil {
		s.end(syscall.SIGKILL)
		return err
	}
	s.guard = guard
	if err := s.waitUntilReady(); err != nil {
		s.end(syscall.SIGKILL)
		return err
	}
	return nil
}

func (s *Server) waitUntilReady() error {
	db := sql.OpenDB(s.connector(""))
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), startWait)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-s.exited:
			return errors.New("exited at start")
		case <-ctx.Done():
			return fmt.Errorf("not ready after %v: %w", startWait, err)
		case <-tick.C:
		}
	}
}

// Stop ends the server in order; it may be started again.
func (s *Server) Stop(tb testing.TB) {
	tb.Helper()
	s.end(syscall.SIGTERM)
}

// Kill ends the server at once, as a crash would; it may be started again.
func (s *Server) Kill(tb testing.TB) {
	tb.Helper()
	s.end(syscall.SIGKILL)
}

// Pause stops the server from answering without closing anything, until Resume.
func (s *Server) Pause(tb testing.TB) { s.signal(tb, syscall.SIGSTOP) }

// Resume ends a Pause.
func (s *Server) Resume(tb testing.TB) { s.signal(tb, syscall.SIGCONT) }

func (s *Server) signal(tb testing.TB, sig syscall.Signal) {
	tb.Helper()
	if err := s.process.Signal(sig); err != nil {
		tb.Fatal(err)
	}
}

func (s *Server) end(sig syscall.Signal) {
	if s.process == nil {
		return
	}
	_ = s.process.Signal(sig)
	_ = s.process.Signal(syscall.SIGCONT) // it may be paused
	late := time.AfterFunc(stopWait, func() { _ = s.process.Kill() })
	<-s.exited
	late.Stop()
	s.process = nil
	if s.guard != nil {
		s.guard.dismiss()
		s.guard = nil
	}
}

// NewDatabase makes an empty database and returns how to open it.
func (s *Server) NewDatabase(tb testing.TB) mysql.Config {
	tb.Helper()
	name := fmt.Sprintf("lars_%d", s.databases.Add(1))
	db := sql.OpenDB(s.connector(""))
	defer db.Close()
	if _, err := db.Exec("CREATE DATABASE " + name); err != nil {
		tb.Fatal(err)
	}
	return mysql.Config{
		Addr: s.addr(), User: user, Database: name, Password: mysql.Secret(s.password),
	}
}

// OpenRaw opens a database past the store, for what other programs write.
func (s *Server) OpenRaw(tb testing.TB, c mysql.Config) *sql.DB {
	tb.Helper()
	db := sql.OpenDB(s.connector(c.Database))
	tb.Cleanup(func() { _ = db.Close() })
	return db
}

func (s *Server) connector(database string) sqlConnector {
	c := driver.NewConfig()
	c.User, c.Passwd, c.Net, c.DBName = user, s.password, "tcp", database
	c.Addr = s.addr()
	c.Logger = &driver.NopLogger{}
	connector, err := driver.NewConnector(c)
	if err != nil {
		panic(err) // a constant configuration
	}
	return connector
}

func (s *Server) addr() string { return fmt.Sprintf("%s:%d", s.ip, s.port) }

func (s *Server) freePort() (int, error) {
	listener, err := net.Listen("tcp", s.ip+":0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
