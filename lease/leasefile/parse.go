package leasefile

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

var (
	errEnd       = errors.New("the file ends inside of a stanza")
	errString    = errors.New("a string runs over the end of its line")
	errSemicolon = errors.New("';' is missing before '}'")
)

// what says what a stanza is about.
type what uint8

const (
	aLease what = iota
	aPeer
	other // server-duid, host, group, class: ISC's business
	byteOrder
)

// declared is one stanza, read.
type declared struct {
	what  what
	ours  bool // it has Tandem's mark
	lease lease.Lease
	peer  lease.Peer
}

// syntaxError is an error at a place in a stanza.
type syntaxError struct {
	at  int // octets into the stanza
	err error
}

func (e *syntaxError) Error() string { return e.err.Error() }
func (e *syntaxError) Unwrap() error { return e.err }

// parseStanza reads one whole stanza. now is for what is written relative to the time of reading. Its errors are
// *syntaxError.
func parseStanza(text []byte, now time.Time) (declared, error) {
	x := lexer{text: text}
	d, err := x.stanza(now)
	if err != nil {
		return declared{}, &syntaxError{x.at, err}
	}
	return d, nil
}

func (x *lexer) stanza(now time.Time) (declared, error) {
	first, err := x.next()
	if err != nil {
		return declared{}, err
	}
	if first.kind != kindWord {
		return declared{}, fmt.Errorf("no stanza begins with %v", first)
	}
	switch keyword(first.text) {
	case "lease":
		return x.lease(now)
	case "failover":
		return x.peer(now)
	case "authoring-byte-order":
		_, err := x.skip()
		return declared{what: byteOrder}, err
	case "server-duid", "host", "group", "class", "subclass", "ia-na", "ia-ta", "ia-pd":
		_, err := x.skip()
		return declared{what: other}, err
	}
	return declared{}, fmt.Errorf("no stanza begins with %v", first)
}

// keyword is a word as the switches below have it: ISC dhcpd does not tell small letters from capitals.
func keyword(b []byte) string {
	for _, c := range b {
		if 'A' <= c && c <= 'Z' {
			return string(bytes.ToLower(b))
		}
	}
	return string(b)
}

func (x *lexer) lease(now time.Time) (declared, error) {
	var d leaseDecl
	t, err := x.expect(kindWord)
	if err != nil {
		return declared{}, err
	}
	d.addr, err = netip.ParseAddr(string(t.text))
	if err != nil || !d.addr.Is4() {
		return declared{}, fmt.Errorf("%v is not an IPv4 address", t)
	}
	if _, err := x.expect('{'); err != nil {
		return declared{}, err
	}
	for {
		t, err := x.next()
		switch {
		case err != nil:
			return declared{}, err
		case t.kind == ';':
			continue
		case t.kind == kindWord:
			if err := x.statement(&d, keyword(t.text)); err != nil {
				return declared{}, err
			}
			continue
		case t.kind != '}':
			return declared{}, fmt.Errorf("no statement begins with %v", t)
		}
		l := d.lease(now)
		if err := exactLease(&l, x.exact); err != nil {
			return declared{}, err
		}
		return declared{what: aLease, ours: x.ours, lease: l}, nil
	}
}

// statement reads the rest of one statement of a lease stanza into d. What is not Tandem's business is passed over.
func (x *lexer) statement(d *leaseDecl, word string) (err error) {
	switch word {
	case "starts":
		d.starts, err = x.date()
	case "ends":
		d.ends, err = x.date()
	case "tstp":
		d.tstp, err = x.date()
		d.hasTSTP = true
	case "tsfp":
		d.tsfp, err = x.date()
	case "atsfp":
		d.atsfp, err = x.date()
	case "cltt":
		d.cltt, err = x.date()
	case "binding":
		var flags lease.Flags
		d.status, flags, err = x.bindingState()
		d.flags |= flags
	case "rewind":
		if err = x.word("binding"); err == nil {
			d.rewind, _, err = x.bindingState()
		}
	case "next":
		// What a lease becomes at its end is the server's to know, not the ledger's.
		if err = x.word("binding"); err == nil {
			_, _, err = x.bindingState()
		}
	case "abandoned":
		d.status = lease.Abandoned
		_, err = x.expect(';')
	case "reserved":
		d.flags |= lease.Reserved
		_, err = x.expect(';')
	case "dynamic-bootp", "bootp":
		d.flags |= lease.BOOTP
		_, err = x.expect(';')
	case "hardware":
		d.hardware, err = x.hardware()
	case "uid":
		d.uid, err = x.octets()
	case "client-hostname":
		var t token
		if t, err = x.next(); err != nil {
			break
		}
		if t.kind != kindString && t.kind != kindWord {
			return fmt.Errorf("a host name should stand where %v stands", t)
		}
		d.hostName = unquote(t.text)
		_, err = x.expect(';')
	case "set":
		err = x.set(d)
	case "option", "supersede":
		err = x.option(d)
	case "on":
		d.onEnd = true
		_, err = x.skip()
	default:
		_, err = x.skip()
	}
	return err
}

// word reads one word that can only be this.
func (x *lexer) word(want string) error {
	t, err := x.expect(kindWord)
	if err == nil && keyword(t.text) != want {
		err = fmt.Errorf("%q should stand where %v stands", want, t)
	}
	return err
}

// bindingState reads `state NAME;`. Old files have reserved and bootp as states: active leases with that flag.
func (x *lexer) bindingState() (lease.Status, lease.Flags, error) {
	if err := x.word("state"); err != nil {
		return 0, 0, err
	}
	t, err := x.expect(kindWord)
	if err != nil {
		return 0, 0, err
	}
	if _, err := x.expect(';'); err != nil {
		return 0, 0, err
	}
	name := keyword(t.text)
	switch name {
	case "reserved":
		return lease.Active, lease.Reserved, nil
	case "bootp":
		return lease.Active, lease.BOOTP, nil
	}
	if s, ok := lease.ParseStatus(name); ok {
		return s, 0, nil
	}
	return 0, 0, fmt.Errorf("%v is not a binding state", t)
}

// hardware reads `TYPE xx:xx..;`.
func (x *lexer) hardware() (lease.HWAddr, error) {
	t, err := x.expect(kindWord)
	if err != nil {
		return "", err
	}
	name := keyword(t.text)
	kind := slices.Index(hardwareNames[:], name)
	if n, ok := bytes.CutPrefix([]byte(name), []byte("unknown-")); ok {
		if v, err := parseNumber(n); err == nil && 0 <= v && v <= 255 {
			kind = int(v)
		}
	}
	if kind < 0 {
		return "", fmt.Errorf("%v is not a hardware type", t)
	}
	var addr string
	if t, err = x.next(); err == nil && t.kind == kindWord {
		if addr, err = parseOctets(t.text); err == nil {
			t, err = x.next()
		}
	}
	if err == nil && t.kind != ';' {
		err = fmt.Errorf("';' should stand where %v stands", t)
	}
	return lease.HWAddr([]byte{byte(kind)}) + lease.HWAddr(addr), err
}

// octets reads a value and its semicolon in either form: a string, or hexadecimal between colons.
func (x *lexer) octets() (string, error) {
	t, err := x.next()
	if err != nil {
		return "", err
	}
	var v string
	switch t.kind {
	case kindString:
		v = unquote(t.text)
	case kindWord:
		if v, err = parseOctets(t.text); err != nil {
			return "", err
		}
	default:
		return "", fmt.Errorf("a string or octets should stand where %v stands", t)
	}
	_, err = x.expect(';')
	return v, err
}

// set reads `set NAME = VALUE;` and keeps the one variable that the ledger knows.
func (x *lexer) set(d *leaseDecl) error {
	name, err := x.expect(kindWord)
	if err != nil {
		return err
	}
	if keyword(name.text) != "vendor-class-identifier" {
		_, err := x.skip()
		return err
	}
	if _, err = x.expect('='); err == nil {
		d.vendorClass, err = x.octets()
	}
	return err
}

// option reads `option agent.NAME VALUE;`. Only circuit-id, remote-id and unknown-N are kept: ISC writes the others in
// the form of their type, and the ledger keeps octets.
func (x *lexer) option(d *leaseDecl) error {
	t, err := x.expect(kindWord)
	if err != nil {
		return err
	}
	name, agent := bytes.CutPrefix(t.text, []byte("agent."))
	code := slices.Index(agentNames[:], string(name))
	if n, ok := bytes.CutPrefix(name, []byte("unknown-")); ok {
		if v, err := parseNumber(n); err == nil && 0 < v && v < 255 {
			code = int(v)
		}
	}
	if !agent || code <= 0 {
		_, err := x.skip()
		return err
	}
	v, err := x.octets()
	if err == nil && len(v) > 255 {
		err = fmt.Errorf("%s of %d octets", t.text, len(v))
	}
	if err == nil {
		d.relayInfo = appendSubOption(d.relayInfo, byte(code), v)
	}
	return err
}

func (x *lexer) peer(now time.Time) (declared, error) {
	var d peerDecl
	if err := x.word("peer"); err != nil {
		return declared{}, err
	}
	t, err := x.next()
	if err == nil && t.kind != kindString && t.kind != kindWord {
		err = fmt.Errorf("the name of a failover peer should stand where %v stands", t)
	}
	if err != nil {
		return declared{}, err
	}
	d.name = unquote(t.text)
	if err := x.word("state"); err != nil {
		return declared{}, err
	}
	if _, err := x.expect('{'); err != nil {
		return declared{}, err
	}
	for {
		t, err := x.next()
		switch {
		case err != nil:
			return declared{}, err
		case t.kind == ';':
			continue
		case t.kind == kindWord:
			switch keyword(t.text) {
			case "my":
				d.my, d.mySince, d.hasMy, err = x.endpointState()
			case "partner", "peer": // the manual page writes peer, ISC dhcpd itself partner
				d.partner, d.partnSince, d.hasPartner, err = x.endpointState()
			case "mclt":
				if d.mclt, err = x.number(); err == nil {
					_, err = x.expect(';')
				}
				if err == nil && (d.mclt < 0 || d.mclt > maxMCLT) {
					err = fmt.Errorf("no MCLT is %d s", d.mclt)
				}
			default:
				_, err = x.skip()
			}
			if err != nil {
				return declared{}, err
			}
			continue
		case t.kind != '}':
			return declared{}, fmt.Errorf("no statement begins with %v", t)
		}
		p := d.peer(now)
		if err := exactPeer(&p, x.exact); err != nil {
			return declared{}, err
		}
		return declared{what: aPeer, ours: x.ours, peer: p}, nil
	}
}

// endpointState reads `state NAME at DATE;`, of which ISC dhcpd takes the date or leaves it.
func (x *lexer) endpointState() (state uint8, since time.Time, dated bool, err error) {
	if err := x.word("state"); err != nil {
		return 0, since, false, err
	}
	t, err := x.expect(kindWord)
	if err != nil {
		return 0, since, false, err
	}
	n := slices.Index(stateNames[:], keyword(t.text))
	if n < 0 {
		return 0, since, false, fmt.Errorf("%v is not a state of a failover endpoint", t)
	}
	state = uint8(n)
	if t, err = x.next(); err != nil {
		return 0, since, false, err
	}
	switch {
	case t.kind == ';':
		return state, since, false, nil
	case t.kind == kindWord && keyword(t.text) == "at":
		since, err = x.date()
		return state, since, true, err
	}
	return 0, since, false, fmt.Errorf("\"at\" or ';' should stand where %v stands", t)
}
