package isc

import (
	"encoding/base64"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

// fixedOptions are the options whose value is not a matter of configuration, with what happens to one.
var fixedOptions = map[dhcp4.OptionCode]string{
	dhcp4.OptionRequestedIPAddress:        "a client sends it",
	dhcp4.OptionIPAddressLeaseTime:        "write default-lease-time and max-lease-time",
	dhcp4.OptionOptionOverload:            "it is set where it is needed",
	dhcp4.OptionDHCPMessageType:           "it is set by what is answered",
	dhcp4.OptionMessage:                   "it is set by what is answered",
	dhcp4.OptionRelayAgentInformation:     "it is what the relay sends",
	dhcp4.OptionClientLastTransactionTime: "it is part of the answer to a leasequery",
	dhcp4.OptionAssociatedIP:              "it is part of the answer to a leasequery",
}

// option carries out `option`: a value, the definition of an option, or the declaration of a space.
func (r *reader) option(x site, s *statement, c *cursor) {
	keyword := s.words[0]
	if keyword.is("option") && c.accept("space") {
		if x.kind != inRoot {
			r.errorf(keyword.pos, "option space definitions may not be scoped.")
			return
		}
		r.spaces.declareSpace(c)
		return
	}
	at := c.peek()
	d, spaceName, name, ok := r.spaces.optionName(c)
	if !ok {
		return
	}
	if keyword.is("option") && c.accept("code") {
		if x.kind != inRoot {
			r.errorf(keyword.pos, "option definitions may not be scoped.")
			return
		}
		r.spaces.define(spaceName, name, c)
		return
	}
	if d == nil {
		r.unknown(at.pos, "unknown option %s.%s", spaceName, name)
		return
	}
	if c.peek().punct('=') {
		r.unsupported(c.peek().pos, "an expression is not supported: %s", noConditions)
		return
	}
	value, ok := d.form().encode(c)
	if !ok || !c.semicolon() {
		return
	}
	r.assignOption(x, Option{Pos: at.pos, Space: d.space, Code: d.code, Name: d.name, Value: value})
}

// assignOption gives an option its value, where that is not another statement in disguise.
func (r *reader) assignOption(x site, o Option) {
	if o.Space == agentSpace {
		r.warnf(o.Pos, "option agent.%s has no effect: %s", o.Name, fixedOptions[dhcp4.OptionRelayAgentInformation])
		return
	}
	if o.Space == dhcpSpace {
		if why, ok := fixedOptions[o.Code]; ok {
			r.warnf(o.Pos, "option %s has no effect: %s", o.Name, why)
			return
		}
		switch o.Code {
		case dhcp4.OptionServerIdentifier:
			if a, ok := addrOf(o.Value); ok {
				*x.assignments = append(*x.assignments, func(p *Parameters) { p.ServerIdentifier = settingAt(a, o.Pos) })
			}
			return
		case dhcp4.OptionClientIdentifier:
			r.identify(x, o)
			return
		case dhcp4.OptionParameterRequestList:
			r.unsupported(o.Pos, "option %s is not supported: a client gets the options that it asks for", o.Name)
			return
		}
	} else if len(o.Value) > 255 {
		r.errorf(o.Pos, "option %s.%s has %d octets, at most 255 are possible in an option space", o.Space, o.Name, len(o.Value))
		return
	}
	*x.assignments = append(*x.assignments, func(p *Parameters) { p.set(o) })
}

func settingAt[T any](v T, pos Pos) Setting[T] { return Setting[T]{v, pos} }

func validBase64(s string) bool {
	_, err := base64.StdEncoding.DecodeString(s)
	return err == nil && s != ""
}
