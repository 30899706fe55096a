// Package links knows the interfaces of this host: a Table is a picture of them, a Watch keeps one that is fresh enough
// for datagrams to be told by which interface they came.
package links

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Link is an interface of this host.
type Link struct {
	Index  int
	Name   string
	HWAddr [6]byte    // all zero unless it is six octets long
	HWLen  int        // how long its hardware address is; 6 is Ethernet, 0 the loopback interface
	MTU    int        // in octets
	Addr   netip.Addr // its first IPv4 address, invalid if it has none
}

// Table is a picture of the interfaces of this host. It does not change.
type Table struct {
	byIndex map[int]Link
	byName  map[string]Link
	local   map[netip.Addr]struct{}
}

// NewTable returns the Table of these links; each of addrs is an address of this host too.
func NewTable(ls []Link, addrs ...netip.Addr) *Table {
	t := &Table{byIndex: make(map[int]Link), byName: make(map[string]Link), local: make(map[netip.Addr]struct{})}
	for _, l := range ls {
		t.byIndex[l.Index], t.byName[l.Name] = l, l
		if l.Addr.IsValid() {
			t.local[l.Addr] = struct{}{}
		}
	}
	for _, a := range addrs {
		t.local[a] = struct{}{}
	}
	return t
}

// Load asks the kernel.
func Load() (*Table, error) {
	ifs, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("links: %w", err)
	}
	var ls []Link
	var all []netip.Addr
	for _, ifi := range ifs {
		l := Link{Index: ifi.Index, Name: ifi.Name, MTU: ifi.MTU, HWLen: len(ifi.HardwareAddr)}
		if l.HWLen == len(l.HWAddr) {
			l.HWAddr = [6]byte(ifi.HardwareAddr)
		}
		addrs, err := ifi.Addrs()
		if err != nil {
			continue // it went away meanwhile
		}
		for _, a := range addrs {
			n, ok := a.(*net.IPNet)
			if !ok {
				continue
			}
			if ip, ok := netip.AddrFromSlice(n.IP.To4()); ok {
				if !l.Addr.IsValid() {
					l.Addr = ip
				}
				all = append(all, ip)
			}
		}
		ls = append(ls, l)
	}
	return NewTable(ls, all...), nil
}

// Index returns the link with an index of the kernel's.
func (t *Table) Index(i int) (Link, bool) {
	l, ok := t.byIndex[i]
	return l, ok
}

// Name returns the link of that name.
func (t *Table) Name(name string) (Link, bool) {
	l, ok := t.byName[name]
	return l, ok
}

// Local reports whether a is an address of this host.
func (t *Table) Local(a netip.Addr) bool {
	_, ok := t.local[a]
	return ok
}

// Equal reports whether t and u say the same.
func (t *Table) Equal(u *Table) bool {
	return maps.Equal(t.byIndex, u.byIndex) && maps.Equal(t.local, u.local)
}

// Resolve returns the links of these names in their order. The error names the first of them that this host lacks.
func (t *Table) Resolve(names []string) ([]Link, error) {
	ls := make([]Link, 0, len(names))
	for _, name := range names {
		l, ok := t.byName[name]
		if !ok {
			return nil, fmt.Errorf("links: no interface %q, there are %q", name, slices.Sorted(maps.Keys(t.byName)))
		}
		ls = append(ls, l)
	}
	return ls, nil
}

// How old a Table may be that a Watch gives.
const (
	maxAge  = 5 * time.Second        // addresses and interfaces change seldom
	missAge = 200 * time.Millisecond // when what is asked for is not in it
)

// Watch keeps a Table and asks the kernel again when that is old. Its methods may be called from several goroutines.
type Watch struct {
	load func() (*Table, error)

	mu     sync.Mutex
	table  *Table
	loaded time.Time // when load was last tried
}

// NewWatch returns a Watch with a Table from load (usually Load), or load's error.
func NewWatch(now time.Time, load func() (*Table, error)) (*Watch, error) {
	t, err := load()
	if err != nil {
		return nil, err
	}
	return &Watch{load: load, table: t, loaded: now}, nil
}

// Table returns a Table that is at most 5 s old. If the kernel gives none, then the old one stays in use.
func (w *Watch) Table(now time.Time) *Table { return w.fresh(now, maxAge) }

// Again returns a Table that is at most 200 ms old, for when something is not in the one that Table gave.
func (w *Watch) Again(now time.Time) *Table { return w.fresh(now, missAge) }

func (w *Watch) fresh(now time.Time, age time.Duration) *Table {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.Sub(w.loaded) >= age {
		w.loaded = now
		if t, err := w.load(); err == nil && !t.Equal(w.table) {
			w.table = t // so that a caller sees by == that something changed
		}
	}
	return w.table
}
