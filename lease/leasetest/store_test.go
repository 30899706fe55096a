package leasetest_test

import (
	"testing"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/lease/leasetest"
)

func TestMemory(t *testing.T) {
	leasetest.TestDurable(t, func(*testing.T) leasetest.Opener {
		m := lease.NewMemory()
		return func(*testing.T) lease.Store {
			m.Reopen()
			return m
		}
	})
}
