package isc

import (
	"io/fs"
	"net/netip"
	"slices"
)

// LoadOptions say how Load reads. The zero LoadOptions read as strictly as dhcpd does, and look up no names.
type LoadOptions struct {
	// Lenient has statements that are not supported, or not known, listed in Config.Skipped instead of failing. What
	// is left of the configuration may then mean something else than what its author had in mind: a pool without the
	// `deny members of "class"` that was skipped is open to all.
	Lenient bool
	// Resolve gives the addresses of a host name, which dhcpd.conf(5) allows in place of an address. dhcpd asks when
	// it first needs the address, Load asks at once. Nil: a host name is an error.
	Resolve func(host string) ([]netip.Addr, error)
}

// Load reads the configuration in the file name, and the files that it includes, from fsys, and checks it. A nil fsys is
// the file system of the operating system, where a relative name starts from the working directory, in include, too, as
// dhcpd has it. In another fsys names start from its root, with a slash before them or without.
//
// The error is nil, or all that is wrong, each as an *Error, joined (errors.Join); there is no Config then.
func Load(fsys fs.FS, name string, opts LoadOptions) (*Config, error) {
	prob := &problems{lenient: opts.Lenient}
	src := source{fsys: fsys, left: maxOctets, prob: prob}
	body := src.parseFile(name, Pos{File: name, Line: 1, Col: 1})
	r := reader{
		problems: prob,
		resolve:  opts.Resolve,
		config:   &Config{Scope: Scope{Pos: Pos{File: name, Line: 1, Col: 1}}},
		spaces:   newSpaces(),
		groups:   make(map[string]*group),
		hosts:    make(map[string]Pos),
		peers:    make(map[string]Pos),
	}
	r.block(site{kind: inRoot, assignments: &r.config.Scope.assignments}, body)
	r.inherit()
	r.check()
	if err := prob.err(); err != nil {
		return nil, err
	}
	r.config.Warnings, r.config.Skipped = prob.warnings, prob.skipped
	return r.config, nil
}

// inherit works out what each scope says, and what the scopes around it add.
func (r *reader) inherit() {
	c := r.config
	r.settle(&c.Scope, Parameters{})
	for i := range c.Networks {
		n := &c.Networks[i]
		r.settle(&n.Scope, c.Scope.All)
		for j := range n.Subnets {
			r.settle(&n.Subnets[j].Scope, n.Scope.All)
		}
		for j := range n.Pools {
			p := &n.Pools[j]
			p.plain = len(p.assignments) == 0
			base := n.Scope.All
			if k := slices.IndexFunc(n.Subnets, func(s Subnet) bool { return s.Prefix == p.Subnet }); k >= 0 {
				base = n.Subnets[k].All
			}
			r.settle(&p.Scope, base)
		}
	}
	for i := range c.Hosts {
		r.settle(&c.Hosts[i].Scope, c.Scope.All)
	}
}

// settle works out Own and All of a scope from its statements, base being what the scopes around it say.
func (r *reader) settle(s *Scope, base Parameters) {
	s.Own, s.All = Parameters{}, base
	for _, p := range []*Parameters{&s.Own, &s.All} {
		for _, g := range s.groups {
			for _, a := range g.assignments {
				a(p)
			}
		}
		for _, a := range s.assignments {
			a(p)
		}
	}
	if v := s.Own.VendorOptionSpace; v.IsSet() && r.spaces.byName[v.Value] == nil {
		r.errorf(v.Pos, "no option space named %s.", v.Value)
	}
	r.spaces.compose(&s.All)
	for _, o := range s.All.Options {
		if b, ok := base.Option(o.Code); o.made && (!ok || b.Value != o.Value) {
			s.Own.set(o) // made of the options of a space, and another here than around
		}
	}
	s.assignments, s.groups = nil, nil
}
