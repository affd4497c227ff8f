package route_test

import (
	"fmt"

	"lars/system/route"
)

func Example() {
	host, _ := route.ParseHost("10.0.0.1:80")
	module, _ := route.MakeModule(1, 1)
	gone, _ := route.MakeModule(1, 2)

	var load route.Builder
	for _, m := range []route.Module{module, gone} {
		if err := load.Add(m, host); err != nil {
			fmt.Println(err)
			return
		}
	}
	before := load.Build(1)
	after := before.Apply(2, []route.Route{{Module: gone}}) // its last host is gone

	subscribers := route.NewSubscriptions[string](route.SubscriptionLimits{})
	_ = subscribers.Subscribe("an agent", gone)
	_ = subscribers.Subscribe("another", module)
	for _, conn := range subscribers.Mark(route.Diff(before, after)) {
		for m, ok := subscribers.Next(conn); ok; m, ok = subscribers.Next(conn) {
			fmt.Println("push to", conn, "module", m, "hosts", after.Lookup(m))
		}
	}
	// Output:
	// push to an agent module 1,2 hosts []
}
