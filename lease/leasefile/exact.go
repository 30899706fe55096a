package leasefile

import (
	"fmt"
	"strconv"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

// ownMark begins the comment that ends each stanza of Tandem's. Behind it stands what ISC's statements cannot say:
// NAME=VALUE pairs, one for each field that a reader of the statements alone would get wrong. Values are numbers (times
// in seconds since 1970, 0 for never), or octets as a quoted string. They override the statements.
//
// A stanza with the mark counts only within a whole commit. Otherwise the middle of a commit, of which a crash lost
// both ends, would pass for a stanza that somebody has added by hand.
const ownMark = "# tandem"

// leaseField is a field of a Lease behind the mark. Numbers have num and setNum, texts have text and setText.
type leaseField struct {
	name    string
	num     func(*lease.Lease) int64
	setNum  func(*lease.Lease, int64)
	text    func(*lease.Lease) string
	setText func(*lease.Lease, string)
}

func timeField(name string, at func(*lease.Lease) *time.Time) leaseField {
	return leaseField{
		name:   name,
		num:    func(l *lease.Lease) int64 { return lease.ToUnix(*at(l)) },
		setNum: func(l *lease.Lease, n int64) { *at(l) = lease.FromUnix(n) },
	}
}

func textField(name string, at func(*lease.Lease) *string) leaseField {
	return leaseField{
		name:    name,
		text:    func(l *lease.Lease) string { return *at(l) },
		setText: func(l *lease.Lease, s string) { *at(l) = s },
	}
}

// leaseFields are all fields that may have to be corrected: all but the address and the status.
var leaseFields = [...]leaseField{
	timeField("starts", func(l *lease.Lease) *time.Time { return &l.Since }),
	timeField("ends", func(l *lease.Lease) *time.Time { return &l.Expiry }),
	timeField("tstp", func(l *lease.Lease) *time.Time { return &l.SentPotentialExpiry }),
	timeField("acked", func(l *lease.Lease) *time.Time { return &l.AckedPotentialExpiry }),
	timeField("received", func(l *lease.Lease) *time.Time { return &l.ReceivedPotentialExpiry }),
	timeField("cltt", func(l *lease.Lease) *time.Time { return &l.LastTransaction }),
	{
		name:   "rewind",
		num:    func(l *lease.Lease) int64 { return int64(l.Rewind) },
		setNum: func(l *lease.Lease, n int64) { l.Rewind = lease.Status(n) },
	},
	{
		name:   "flags",
		num:    func(l *lease.Lease) int64 { return int64(l.Flags) },
		setNum: func(l *lease.Lease, n int64) { l.Flags = lease.Flags(n) },
	},
	{
		name: "unacked",
		num: func(l *lease.Lease) int64 {
			if l.Unacked {
				return 1
			}
			return 0
		},
		setNum: func(l *lease.Lease, n int64) { l.Unacked = n != 0 },
	},
	textField("uid", func(l *lease.Lease) *string { return &l.Client.ID }),
	{
		name:    "hardware",
		text:    func(l *lease.Lease) string { return string(l.Client.HW) },
		setText: func(l *lease.Lease, s string) { l.Client.HW = lease.HWAddr(s) },
	},
	textField("vendor-class", func(l *lease.Lease) *string { return &l.VendorClass }),
	textField("relay-info", func(l *lease.Lease) *string { return &l.RelayInfo }),
	textField("hostname", func(l *lease.Lease) *string { return &l.HostName }),
}

// appendExactLease appends the mark, and what makes got, which the statements say, into want.
func appendExactLease(b []byte, got, want *lease.Lease) []byte {
	b = append(b, "  "+ownMark...)
	if *got == *want {
		return append(b, '\n')
	}
	for i := range leaseFields {
		f := &leaseFields[i]
		switch {
		case f.num != nil && f.num(got) != f.num(want):
			b = appendPair(b, f.name)
			b = strconv.AppendInt(b, f.num(want), 10)
		case f.text != nil && f.text(got) != f.text(want):
			b = appendPair(b, f.name)
			b = appendQuoted(b, f.text(want))
		}
	}
	return append(b, '\n')
}

func appendPair(b []byte, name string) []byte {
	return append(append(append(b, ' '), name...), '=')
}

// exactLease corrects l by what stands behind the mark.
func exactLease(l *lease.Lease, said []byte) error {
	return eachPair(said, func(name, value []byte, quoted bool) error {
		for i := range leaseFields {
			f := &leaseFields[i]
			if f.name != string(name) {
				continue
			}
			if quoted != (f.text != nil) {
				break
			}
			if quoted {
				f.setText(l, unquote(value))
				return nil
			}
			n, err := parseNumber(value)
			if err == nil && (n < 0 || n > 1<<32-1) {
				err = fmt.Errorf("%s is %d", name, n)
			}
			f.setNum(l, n)
			return err
		}
		return fmt.Errorf("%.40q is nothing that stands behind Tandem's mark", name)
	})
}

// appendExactPeer is appendExactLease for a Peer.
func appendExactPeer(b []byte, got, want *lease.Peer) []byte {
	b = append(b, "  "+ownMark...)
	for _, f := range peerFields {
		if f.num(got) != f.num(want) {
			b = appendPair(b, f.name)
			b = strconv.AppendInt(b, f.num(want), 10)
		}
	}
	return append(b, '\n')
}

type peerField struct {
	name string
	num  func(*lease.Peer) int64
	set  func(*lease.Peer, int64)
}

var peerFields = [...]peerField{
	{"my", func(p *lease.Peer) int64 { return int64(p.State) }, func(p *lease.Peer, n int64) { p.State = uint8(n) }},
	{"my-since", func(p *lease.Peer) int64 { return lease.ToUnix(p.Since) },
		func(p *lease.Peer, n int64) { p.Since = lease.FromUnix(n) }},
	{"partner", func(p *lease.Peer) int64 { return int64(p.Partner) }, func(p *lease.Peer, n int64) { p.Partner = uint8(n) }},
	{"partner-since", func(p *lease.Peer) int64 { return lease.ToUnix(p.PartnerSince) },
		func(p *lease.Peer, n int64) { p.PartnerSince = lease.FromUnix(n) }},
}

func exactPeer(p *lease.Peer, said []byte) error {
	return eachPair(said, func(name, value []byte, quoted bool) error {
		for _, f := range peerFields {
			if f.name != string(name) || quoted {
				continue
			}
			n, err := parseNumber(value)
			if err == nil && (n < 0 || n > 1<<32-1) {
				err = fmt.Errorf("%s is %d", name, n)
			}
			f.set(p, n)
			return err
		}
		return fmt.Errorf("%.40q is nothing that stands behind Tandem's mark", name)
	})
}

// eachPair calls fn for each NAME=VALUE behind a mark.
func eachPair(said []byte, fn func(name, value []byte, quoted bool) error) error {
	x := lexer{text: said}
	for {
		name, err := x.next()
		if err != nil || name.kind == kindEnd {
			return err
		}
		if name.kind != kindWord {
			return fmt.Errorf("a name should stand where %v stands, behind Tandem's mark", name)
		}
		if _, err := x.expect('='); err != nil {
			return err
		}
		value, err := x.next()
		if err != nil {
			return err
		}
		if value.kind != kindWord && value.kind != kindString {
			return fmt.Errorf("a value should stand where %v stands, behind Tandem's mark", value)
		}
		if err := fn(name.text, value.text, value.kind == kindString); err != nil {
			return err
		}
	}
}
