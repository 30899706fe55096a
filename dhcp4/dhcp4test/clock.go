package dhcp4test

import (
	"sync"
	"time"
)

// clock is a clock that is ahead of the test's, by an offset that may grow. The zero clock is right.
type clock struct {
	mu     sync.Mutex
	since  time.Time // when offset was right
	offset time.Duration
	rate   float64
}

func (c *clock) now() time.Time { return c.at(time.Now()) }

// at is what the clock shows at a time of the test.
func (c *clock) at(t time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return t.Add(c.ahead(t))
}

// ahead is by how much. c.mu is held.
func (c *clock) ahead(t time.Time) time.Duration {
	if c.rate == 0 {
		return c.offset
	}
	return c.offset + time.Duration(c.rate*float64(t.Sub(c.since)))
}

func (c *clock) step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}

func (c *clock) drift(rate float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.offset, c.since, c.rate = c.ahead(now), now, rate
}

// behind is by how much the clock is late, or 0.
func (c *clock) behind() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(-c.ahead(time.Now()), 0)
}
