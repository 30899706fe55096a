package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"go.uber.org/zap"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/dhcp4/isc"
)

// link is an interface that is served.
type link struct {
	name    string
	hw      net.HardwareAddr
	addr    netip.Addr // invalid if it has none
	network string     // what it serves, as the configuration names it
}

// errNoLinks is ISC dhcpd's complaint.
var errNoLinks = errors.New("not configured to listen on any interfaces")

// choose returns the interfaces to serve: those that are named, or all that lie in a subnet of the configuration. One
// that is named and has no address serves the network of which the configuration says so, or the only one there is.
func choose(cfg *isc.Config, names []string, log *zap.Logger) ([]link, error) {
	var all []net.Interface
	if len(names) == 0 {
		ifs, err := net.Interfaces()
		if err != nil {
			return nil, err
		}
		for _, i := range ifs {
			if i.Flags&net.FlagUp != 0 && i.Flags&net.FlagBroadcast != 0 && i.Flags&net.FlagLoopback == 0 {
				all = append(all, i)
			}
		}
	}
	for _, name := range names {
		i, err := net.InterfaceByName(name)
		if err != nil {
			return nil, fmt.Errorf("interface %s: %w", name, err)
		}
		all = append(all, *i)
	}
	var links []link
	for _, i := range all {
		addrs, err := addresses(i)
		if err != nil {
			return nil, err
		}
		l, ok := place(cfg, i, addrs, len(names) > 0)
		if !ok {
			log.Warn(fmt.Sprintf("No subnet declaration for %s (%s).", i.Name, describe(addrs)))
			log.Warn(fmt.Sprintf("** Ignoring requests on %s. Write a subnet declaration for it if this is not what you want.", i.Name))
			continue
		}
		links = append(links, l)
	}
	if len(links) == 0 {
		return nil, errNoLinks
	}
	return links, nil
}

// place finds the network of an interface. named says that somebody asked for it.
func place(cfg *isc.Config, i net.Interface, addrs []netip.Addr, named bool) (link, bool) {
	l := link{name: i.Name, hw: i.HardwareAddr}
	for _, n := range cfg.Networks {
		for _, s := range n.Subnets {
			if k := slices.IndexFunc(addrs, s.Prefix.Contains); k >= 0 {
				l.addr, l.network = addrs[k], n.Name
				return l, true
			}
		}
	}
	for _, n := range cfg.Networks {
		if n.Interface == i.Name || named && len(addrs) == 0 && len(cfg.Networks) == 1 {
			l.network = n.Name
			return l, true
		}
	}
	return l, false
}

func addresses(i net.Interface) ([]netip.Addr, error) {
	as, err := i.Addrs()
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w", i.Name, err)
	}
	var list []netip.Addr
	for _, a := range as {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
			list = append(list, p.Addr())
		}
	}
	return list, nil
}

func describe(addrs []netip.Addr) string {
	if len(addrs) == 0 {
		return "no IPv4 addresses"
	}
	return addrs[0].String()
}

// destination returns where answers go if that is not as RFC 2131 has it: other ports (-p), or another address than
// 255.255.255.255 (-s).
func (o options) destination() func(req, reply *dhcp4.Message, src netip.AddrPort) dhcp4.Destination {
	if o.port == 67 && !o.broadcast.IsValid() {
		return nil
	}
	ports := map[uint16]uint16{67: uint16(o.port), 68: uint16(o.port + 1)}
	return func(req, reply *dhcp4.Message, src netip.AddrPort) dhcp4.Destination {
		d := dhcp4.DestinationOf(req, reply, src)
		to, port := d.Addr.Addr(), d.Addr.Port()
		if p, ok := ports[port]; ok {
			port = p
		}
		if d.Broadcast && o.broadcast.IsValid() {
			to = o.broadcast
		}
		d.Addr = netip.AddrPortFrom(to, port)
		return d
	}
}
