package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"lars/reactor/conf"
	"lars/system/store"
	"lars/system/store/mysql"
	"lars/system/store/sqlite"
)

// folderDefault is where "lars up" keeps its data, and where all commands look
// when nothing tells them otherwise: what is started by one is edited by another.
const folderDefault = "lars-data"

// StoreDefault is the store when nothing names another.
const StoreDefault = "sqlite:" + folderDefault + "/lars.db"

// StoreOptions say which database to open: a URL, or the original's keys of
// section [mysql]. The zero value is StoreDefault.
type StoreOptions struct {
	URL string // "" means that [mysql] counts if it names a user, else StoreDefault

	host, user, database, password string
	passwordFile, passwordEnv      string
	port                           int
}

// Keys adds the options to the keys of a program.
func (o *StoreOptions) Keys(s *conf.Set) {
	o.host, o.port, o.database = "127.0.0.1", 3306, "lars_dns"
	s.String(&o.URL, conf.Name{Section: "store", Key: "url", Flag: "store"}, checkStoreURL,
		"`store`: sqlite:PATH or mysql://USER@HOST:PORT/DATABASE?password_file=PATH; empty means key [mysql] db_user if set, else "+StoreDefault)
	key := func(name string) conf.Name {
		return conf.Name{Section: "mysql", Key: name, Flag: strings.ReplaceAll(name, "_", "-")}
	}
	s.String(&o.host, key("db_host"), nil, "`host` of MySQL")
	s.Int(&o.port, key("db_port"), 1, 65535, "`port` of MySQL")
	s.String(&o.user, key("db_user"), nil, "`user` of MySQL")
	s.String(&o.database, key("db_name"), nil, "`database` in MySQL")
	s.String(&o.passwordFile, key("db_passwd_file"), nil, "`file` that holds the password")
	s.String(&o.passwordEnv, key("db_passwd_env"), nil, "environment `variable` that holds the password; empty means "+mysql.PasswordEnvDefault)
	// No flag: every user of the machine sees the arguments of a process.
	s.Secret(&o.password, conf.Name{Section: "mysql", Key: "db_passwd"}, "password; better in a file or the environment")
}

// Open opens the store and tells its name, which holds no secret. Nothing is
// connected or made before the first use.
func (o *StoreOptions) Open() (st store.Store, name string, err error) {
	switch {
	case o.URL != "":
		return openURL(o.URL)
	case o.user == "":
		return openURL(StoreDefault)
	}
	c := mysql.Config{
		Addr: net.JoinHostPort(o.host, strconv.Itoa(o.port)), User: o.user, Database: o.database,
		PasswordFile: o.passwordFile, PasswordEnv: o.passwordEnv, Password: mysql.Secret(o.password),
	}
	return openMySQL(c)
}

// exists is for commands that only read: a mistyped path would become an empty
// database.
func (o *StoreOptions) exists() error {
	url := o.URL
	if url == "" && o.user == "" {
		url = StoreDefault
	}
	path, ok := strings.CutPrefix(url, "sqlite:")
	if !ok {
		return nil
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no database %s; 'lars up' or the first change makes it, --store names another", path)
	}
	return nil
}

func checkStoreURL(text string) error {
	if text == "" {
		return nil
	}
	if path, ok := strings.CutPrefix(text, "sqlite:"); ok {
		if path == "" {
			return errors.New("sqlite: wants the path of a file, such as " + StoreDefault)
		}
		return nil
	}
	_, err := mysqlConfig(text)
	return err
}

func openURL(text string) (store.Store, string, error) {
	if err := checkStoreURL(text); err != nil {
		return nil, "", err
	}
	if text == StoreDefault {
		if err := os.MkdirAll(folderDefault, 0o755); err != nil {
			return nil, "", err
		}
	}
	if path, ok := strings.CutPrefix(text, "sqlite:"); ok {
		if folder := filepath.Dir(path); !isFolder(folder) {
			return nil, "", fmt.Errorf("sqlite store: no folder %s; make it first", folder)
		}
		st, err := sqlite.Open(sqlite.Config{Path: path})
		if err != nil {
			return nil, "", err
		}
		return st, text, nil
	}
	c, err := mysqlConfig(text)
	if err != nil {
		return nil, "", err
	}
	return openMySQL(c)
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func openMySQL(c mysql.Config) (store.Store, string, error) {
	st, err := mysql.Open(c)
	if err != nil {
		return nil, "", err
	}
	where := c.Addr
	if c.Socket != "" {
		where = c.Socket
	}
	return st, fmt.Sprintf("mysql %s@%s/%s", c.User, where, c.Database), nil
}

// mysqlConfig reads mysql://USER@HOST:PORT/DATABASE?KEY=VALUE. It names what is
// wrong without repeating the text, which may hold a password.
func mysqlConfig(text string) (c mysql.Config, err error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "mysql" {
		return c, errors.New("a store is sqlite:PATH or mysql://USER@HOST:PORT/DATABASE")
	}
	if _, has := u.User.Password(); has {
		return c, errors.New("mysql store: no password in the address: every user of the machine could see it; use ?password_file=PATH or the variable " + mysql.PasswordEnvDefault)
	}
	if c.User = u.User.Username(); c.User == "" {
		return c, errors.New("mysql store: no user: want mysql://USER@HOST:PORT/DATABASE")
	}
	c.Addr = u.Host
	if u.Hostname() == "" {
		c.Addr = "127.0.0.1"
	}
	if u.Port() == "" {
		c.Addr = net.JoinHostPort(strings.Trim(c.Addr, "[]"), "3306")
	}
	if c.Database = strings.Trim(u.Path, "/"); c.Database == "" {
		c.Database = "lars_dns"
	}
	return c, mysqlParams(&c, u.Query())
}

func mysqlParams(c *mysql.Config, params url.Values) error {
	for key, values := range params {
		value := values[0]
		switch key {
		case "password_file":
			c.PasswordFile = value
		case "password_env":
			c.PasswordEnv = value
		case "socket":
			c.Socket = value
		case "tls":
			c.TLS = value
		case "conns":
			n, err := strconv.Atoi(value)
			if err != nil || n < 1 || n > 1000 {
				return fmt.Errorf("mysql store: conns %q is not a whole number from 1 to 1000", value)
			}
			c.Conns = n
		default:
			return fmt.Errorf("mysql store: unknown parameter %q; known: conns, password_env, password_file, socket, tls", key)
		}
	}
	return nil
}
