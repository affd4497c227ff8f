package conf_test

import (
	"fmt"
	"os"
	"time"

	"lars/reactor"
	"lars/reactor/conf"
)

// A server whose settings come from a file.
func Example() {
	config := reactor.Config{Loops: 1}
	server := reactor.ServerConfig{ConnsMax: 10_000}
	ip, port := "127.0.0.1", 7777

	var keys conf.Set
	keys.String(&ip, conf.Name{Section: "reactor", Key: "ip", Flag: "ip"}, conf.IP, "address to listen on")
	keys.Int(&port, conf.Name{Section: "reactor", Key: "port", Flag: "port"}, 0, 65535, "port; 0 picks a free one")
	keys.Int(&config.Loops, conf.Name{Section: "reactor", Key: "threadNum"}, 1, 1024, "event loops")
	keys.Int(&server.ConnsMax, conf.Name{Section: "reactor", Key: "maxConn"}, 1, 1<<20, "connections")
	keys.Seconds(&server.IdleTimeout, conf.Name{Section: "reactor", Key: "idle_timeout"}, 0, time.Hour, "0 never")

	if err := keys.Parse("server.conf", `; the file
[reactor]
port = 8888
threadNum = 4
idle_timeout = 90
`); err != nil { // keys.Load("server.conf") reads it from the disk
		fmt.Println(err)
		return
	}
	fmt.Println(ip, port, config.Loops, server.ConnsMax, server.IdleTimeout)
	fmt.Println(keys.Parse("wrong.conf", "[reactor]\nport = 70000\n"))
	keys.Print(os.Stdout)
	// Output:
	// 127.0.0.1 8888 4 10000 1m30s
	// wrong.conf:2: [reactor] port: "70000" is not a whole number from 0 to 65535
	// [reactor]
	// ip = 127.0.0.1
	// ; ^ default
	// port = 8888
	// ; ^ server.conf:3
	// threadNum = 4
	// ; ^ server.conf:4
	// maxConn = 10000
	// ; ^ default
	// idle_timeout = 1m30s
	// ; ^ server.conf:5
}
