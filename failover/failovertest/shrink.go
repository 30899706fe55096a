package failovertest

import "slices"

// Shrink returns the Config of a run that breaks the same promise as cfg does, with as many faults left out, and the
// Breach. It returns cfg and nil if cfg breaks none.
func Shrink(cfg Config) (Config, *Breach) {
	run := func(c Config) (*Breach, []Fault) {
		c.Trace = nil
		r, err := New(c).Run()
		b, _ := err.(*Breach)
		return b, r.Faults
	}
	first, faults := run(cfg)
	if first == nil {
		return cfg, nil
	}
	best := first
	only := []int{} // what had not begun before the breach has no part in it
	for _, f := range faults {
		if f.At <= first.At {
			only = append(only, f.Number)
		}
	}
	// Halves, quarters and so on are left out, down to single ones.
	for size := max(len(only)/2, 1); ; size /= 2 {
		for i := 0; i < len(only); {
			c := cfg
			c.Only = slices.Concat(only[:i], only[min(i+size, len(only)):])
			if c.Only == nil {
				c.Only = []int{}
			}
			if b, _ := run(c); b != nil && b.Invariant == first.Invariant {
				only, best = c.Only, b
			} else {
				i += size
			}
		}
		if size <= 1 {
			cfg.Only = only
			return cfg, best
		}
	}
}
