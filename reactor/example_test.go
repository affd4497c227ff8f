package reactor_test

import (
	"context"
	"fmt"

	"lars/backends/epoll"
	"lars/reactor"
)

// An echo server and a client of it, on one reactor.
func Example() {
	r, err := reactor.Open(epoll.Driver{}, reactor.Config{Loops: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := reactor.NewRouter()
	server.Handle(1, func(q *reactor.Request) { _ = q.Reply(1, q.Body) }, nil)
	s, err := r.Listen("127.0.0.1:0", reactor.ServerConfig{Endpoint: reactor.Endpoint{Router: server}})
	if err != nil {
		fmt.Println(err)
		return
	}

	answer := make(chan string, 1) // a handler must not block
	client := reactor.NewRouter()
	client.Handle(1, func(q *reactor.Request) { answer <- string(q.Body) }, nil)
	_, err = r.Dial(reactor.ClientConfig{Endpoint: reactor.Endpoint{
		Router: client,
		OnOpen: func(c *reactor.Conn) { _ = c.Write(1, []byte("hello")) },
	}}, s.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(<-answer)
	fmt.Println(r.Shutdown(context.Background()))
	// Output:
	// hello
	// <nil>
}
