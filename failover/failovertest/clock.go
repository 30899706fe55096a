package failovertest

import "time"

// clock is what a server takes for the time: off by so much, and going faster or slower than it should.
type clock struct {
	since  time.Duration // true time from which rate counts
	offset time.Duration // at since
	rate   float64       // seconds gained in a second
}

// off is how far the clock is ahead at the true time now.
func (c clock) off(now time.Duration) time.Duration {
	return c.offset + time.Duration(float64(now-c.since)*c.rate)
}

func (c clock) at(now time.Duration) time.Time { return epoch.Add(now + c.off(now)) }

// when is the true time at which the clock shows t, to a microsecond, and not earlier.
func (c clock) when(t time.Time) time.Duration {
	if c.rate == 0 {
		return t.Sub(epoch) - c.offset
	}
	shown := t.Sub(epoch)
	d := float64(shown-c.offset-c.since) / (1 + c.rate)
	return c.since + time.Duration(d) + time.Microsecond
}

// wrong is the most that a clock was off, or is.
func (m *Model) wrong() time.Duration {
	most := m.slop
	for _, s := range m.servers {
		most = max(most, s.clk.off(m.now).Abs())
	}
	return most
}

// set puts the clock of s to so much ahead of the truth.
func (s *server) set(offset time.Duration) {
	m := s.m
	was := s.clk.off(m.now)
	s.clk.since, s.clk.offset = m.now, offset
	m.slop = max(m.slop, was.Abs(), offset.Abs())
	m.tracef("the clock of %s goes from %v to %v off", s.name, was.Round(time.Millisecond), offset)
}

// discipline corrects a clock that drifts, as NTP does: before it is off by more than the partners bear.
func (m *Model) discipline(s *server) {
	if s.clk.rate == 0 || m.calm {
		return
	}
	if off := s.clk.off(m.now); off.Abs() < 2*time.Minute { // it has not been set wrong meanwhile
		s.set(m.upTo(2*m.cfg.Skew) - m.cfg.Skew)
	}
	m.after(m.upTo(20*time.Minute)+10*time.Minute, func() { m.discipline(s) })
}
