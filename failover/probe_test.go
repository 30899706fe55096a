package failover

import (
	"testing"
	"time"
)

// A partner that takes no octets is given up sooner if it is another Tandem, unless the configuration says when.
func TestProbeTimeout(t *testing.T) {
	for _, c := range []struct {
		configured time.Duration
		vendor     string
		want       time.Duration
	}{
		{0, vendorClass, time.Second},
		{0, "tandem-9", time.Second},
		{0, "isc-4.4.3-P1", 3 * time.Second},
		{0, "", 3 * time.Second},
		{5 * time.Second, vendorClass, 5 * time.Second},
		{5 * time.Second, "isc-4.4.3-P1", 5 * time.Second},
		{-1, vendorClass, -1},
	} {
		if got := (Config{ProbeTimeout: c.configured}).withDefaults().probeTimeout(Session{VendorClass: c.vendor}); got != c.want {
			t.Errorf("%v with %q: %v, want %v", c.configured, c.vendor, got, c.want)
		}
	}
}
