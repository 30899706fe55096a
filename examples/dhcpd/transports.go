package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/tandem-dhcp/tandem/failover"
)

// way is where the connections of one or more relationships come and go: from an address and port of this server to a
// partner.
type way struct {
	local   netip.AddrPort
	partner netip.Addr // its port does not tell connections apart that it made
}

// transports makes the transport of each relationship, and sets its secret and its AckWait. Relationships with different partners share
// a port; several with the same partner share the connections' addresses, and are told apart by their names, which only
// another Tandem knows how to do.
func (o *options) transports(peers []failover.Config, log *zap.Logger) ([]failover.Transport, error) {
	var all []error
	for _, p := range []*perPeer{&o.secret, &o.cert, &o.key, &o.ca, &o.tlsName, &o.fence, &o.ackWait} {
		all = append(all, p.check(peers))
	}
	ports := make(map[netip.AddrPort]*failover.Port)
	ways := make(map[way][]int)
	var order []way
	for i, f := range peers {
		var err error
		peers[i].Secret, err = o.secretOf(f.Name)
		all = append(all, err)
		if v := o.ackWait.of(f.Name); v != "" {
			if peers[i].AckWait, err = time.ParseDuration(v); err != nil || peers[i].AckWait <= 0 || peers[i].AckWait > time.Second {
				all = append(all, fmt.Errorf("-failover-ack-wait: failover peer %s: %s: want a duration of up to 1s, such as 50ms", f.Name, v))
			}
		}
		w := way{f.Local, f.Partner.Addr()}
		if ways[w] == nil {
			order = append(order, w)
		}
		ways[w] = append(ways[w], i)
		if ports[f.Local] == nil {
			ports[f.Local] = failover.NewPort(f.Local, func(a net.Addr) {
				log.Warn(fmt.Sprintf("failover: connection from %v: no matching state", a))
			})
		}
	}
	list := make([]failover.Transport, len(peers))
	for _, w := range order {
		all = append(all, o.share(peers, ways[w], ports[w.local], list, log))
	}
	return list, errors.Join(all...)
}

// share makes the transports of the relationships which are those indices of peers and go the same way.
func (o *options) share(peers []failover.Config, same []int, port *failover.Port, list []failover.Transport, log *zap.Logger) error {
	first := peers[same[0]]
	files, err := o.tlsOf(first)
	if err != nil {
		return err
	}
	var names []string
	for _, i := range same {
		f := peers[i]
		names = append(names, f.Name)
		if f.Partner != first.Partner {
			return fmt.Errorf("failover peers %s and %s: connections between %v and %v cannot have the partner's ports %d and %d: "+
				"give both the same peer port, or each its own port", first.Name, f.Name, f.Local, f.Partner.Addr(), first.Partner.Port(), f.Partner.Port())
		}
		if other, err := o.tlsOf(f); err != nil {
			return err
		} else if other != files {
			return fmt.Errorf("failover peers %s and %s share the connections from %v to %v: want the same certificate, key and authority for both, or each its own port",
				first.Name, f.Name, f.Local, f.Partner)
		}
	}
	transport := port.Transport(first.Partner)
	if files != (tlsFiles{}) {
		c, err := files.config(first.Name, o)
		if err != nil {
			return err
		}
		transport = failover.TLS{Transport: transport, Config: c}
	}
	if len(same) == 1 {
		list[same[0]] = transport
		return nil
	}
	slices.Sort(names)
	log.Info(fmt.Sprintf("failover peers %s share the connections between %v and %v: the peer must be a Tandem too.",
		strings.Join(names, ", "), first.Local, first.Partner))
	mux := failover.NewMux(transport, log)
	for _, i := range same {
		list[i] = mux.Transport(peers[i].Name, peers[i].Role)
	}
	return nil
}
