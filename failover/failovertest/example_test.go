package failovertest_test

import (
	"fmt"
	"time"

	"github.com/tandem-dhcp/tandem/failover/failovertest"
)

// A world of ten clients for two hours, in which nothing goes wrong.
func ExampleModel() {
	r, err := failovertest.New(failovertest.Config{
		Seed: 1, Clients: 10, Addresses: 20, Time: 2 * time.Hour, Faults: failovertest.None,
	}).Run()
	fmt.Println(err, len(r.Faults), r.Acks > 10, r.Messages > 100)
	// Output: <nil> 0 true true
}

// A set of faults is a value; None and All are the ends of it.
func ExampleKinds() {
	fmt.Println(failovertest.Crash | failovertest.SwitchSplit)
	// Output: crash, switch split
}
