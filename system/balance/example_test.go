package balance_test

import (
	"fmt"
	"time"

	"lars/system/balance"
	"lars/system/route"
)

func Example() {
	b, err := balance.Open(balance.Settings{Algorithm: "classic"}, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	one, _ := route.ParseHost("10.0.0.1:80")
	two, _ := route.ParseHost("10.0.0.2:80")
	start := time.Now() // a monotonic clock: its origin does not matter
	b.Update(time.Since(start), balance.Plain([]route.Host{one, two}))

	for range 15 { // 10.0.0.2 refuses every call
		e := b.Report(time.Since(start), balance.Result{Host: two, Outcome: balance.Soft})
		for _, c := range e.Changes {
			fmt.Println(c.Host, c.To, "because of", c.Why)
		}
	}
	for range 11 {
		if c := b.Pick(time.Since(start), balance.Ask{}); c.Probe {
			fmt.Println("probe", c.Host)
		}
	}
	// Output:
	// 10.0.0.2:80 overloaded because of error streak
	// probe 10.0.0.2:80
}
