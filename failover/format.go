package failover

import (
	"encoding/hex"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

// String returns the message on one line for a log, times in UTC: "BNDUPD xid=247 10.0.10.129 ACTIVE
// client=b6:ec:57:bf:93:3c expiry=2026-11-22T12:09:38Z ...". What is zero is left out, what is missing is said.
func (f *Frame) String() string {
	return f.line("xid="+strconv.FormatUint(uint64(f.XID), 10), func(t time.Time) string {
		return t.UTC().Format(time.RFC3339)
	})
}

// Relative returns what String does, without the XID, and with each time as its distance from base: "BNDUPD 10.0.0.5
// ACTIVE expiry=+1h potential=+72h30m". lease.Never is "never".
func (f *Frame) Relative(base time.Time) string {
	return f.line("", func(t time.Time) string {
		if t.Equal(lease.Never) {
			return "never"
		}
		d := span(t.Sub(base))
		if d[0] != '-' {
			d = "+" + d
		}
		return d
	})
}

func (f *Frame) line(xid string, clock func(time.Time) string) string {
	if f.Body == nil {
		return "no message"
	}
	l := line{clock: clock}
	l.word(f.Body.Type().String())
	l.word(xid)
	switch b := f.Body.(type) {
	case *PoolResponse:
		l.value("transferred", b.Transferred)
	case *BindingUpdate:
		for i := range b.Bindings {
			l.part(i)
			l.binding(&b.Bindings[i])
		}
	case *BindingAck:
		for i := range b.Results {
			l.part(i)
			r := &b.Results[i]
			l.known(r.Has(OptionAssignedIPAddress), r.Addr)
			l.refusal(r.Reason, r.Text)
			l.missing(TypeBindingAck, r.Has)
		}
	case *Connect:
		l.quote("name", b.Name)
		l.limits(b.MaxUnacked, b.ReceiveTimer)
		l.quote("vendor", b.VendorClass)
		if b.Has(OptionMCLT) {
			l.value("mclt", span(b.MCLT))
		}
		if b.Has(OptionHashBucketAssignment) {
			n := 0
			for _, o := range b.HBA {
				n += bits.OnesCount8(o)
			}
			l.value("buckets", n) // of 256, served by the primary
		}
		if b.DelayedService != 0 {
			l.value("delayed-service", span(b.DelayedService))
		}
		l.number("version", b.Has(OptionProtocolVersion), b.Version)
		l.number("tls", b.Has(OptionTLSRequest), b.TLSRequest)
		l.missing(TypeConnect, b.Has)
	case *ConnectAck:
		l.quote("name", b.Name)
		l.limits(b.MaxUnacked, b.ReceiveTimer)
		l.quote("vendor", b.VendorClass)
		l.number("version", b.Has(OptionProtocolVersion), b.Version)
		l.number("tls", b.Has(OptionTLSReply), b.TLSReply)
		l.refusal(b.Reason, b.Text)
		l.missing(TypeConnectAck, b.Has)
	case *StateReport:
		l.known(b.Has(OptionServerState), strings.ToUpper(b.State.String()))
		if b.Startup {
			l.word("startup")
		}
		l.time("since", b.Since)
		l.missing(TypeState, b.Has)
	case *Disconnect:
		l.refusal(b.Reason, b.Text)
	}
	if f.Vendor != "" {
		l.value("vendor-options", hex.EncodeToString([]byte(f.Vendor)))
	}
	if f.Digest != (Digest{}) {
		l.value("digest", fmt.Sprintf("%d/%x", f.Digest.Type, f.Digest.Sum))
	}
	return strings.TrimPrefix(l.b.String(), " ")
}

// line is a line in the making, each word after a space.
type line struct {
	b     strings.Builder
	clock func(time.Time) string
}

func (l *line) word(s string) {
	if s != "" {
		l.b.WriteByte(' ')
		l.b.WriteString(s)
	}
}

func (l *line) value(name string, v any) { l.word(fmt.Sprintf("%s=%v", name, v)) }

// known writes v if it was in the message; missing tells of it else.
func (l *line) known(ok bool, v any) {
	if ok {
		l.word(fmt.Sprint(v))
	}
}

func (l *line) number(name string, ok bool, v uint8) {
	if ok {
		l.value(name, v)
	}
}

func (l *line) quote(name, v string) {
	if v != "" {
		l.value(name, strconv.Quote(v))
	}
}

func (l *line) time(name string, t time.Time) {
	if !t.IsZero() {
		l.value(name, l.clock(t))
	}
}

// part begins binding or result i of a message.
func (l *line) part(i int) {
	if i > 0 {
		l.b.WriteByte(';')
	}
}

func (l *line) limits(maxUnacked uint32, receiveTimer time.Duration) {
	if maxUnacked != 0 {
		l.value("max-unacked", maxUnacked)
	}
	if receiveTimer != 0 {
		l.value("receive-timer", span(receiveTimer))
	}
}

func (l *line) refusal(r RejectReason, text string) {
	if r != 0 {
		l.word(fmt.Sprintf("rejected %d (%s)", uint8(r), r.String()))
	}
	l.quote("text", text)
}

func (l *line) binding(b *Binding) {
	l.known(b.Has(OptionAssignedIPAddress), b.Addr)
	l.known(b.Has(OptionBindingStatus), strings.ToUpper(b.Status.String()))
	if b.Client.HW != "" {
		l.value("client", b.Client.HW)
	}
	if b.Client.ID != "" {
		l.value("id", hex.EncodeToString([]byte(b.Client.ID)))
	}
	l.time("expiry", b.Expiry)
	l.time("potential", b.PotentialExpiry)
	l.time("since", b.Since)
	l.time("last", b.LastTransaction)
	if b.Flags&lease.Reserved != 0 {
		l.word("reserved")
	}
	if b.Flags&lease.BOOTP != 0 {
		l.word("bootp")
	}
	if b.ReplyOptions != "" {
		l.value("reply-options", hex.EncodeToString([]byte(b.ReplyOptions)))
	}
	if b.RequestOptions != "" {
		l.value("request-options", hex.EncodeToString([]byte(b.RequestOptions)))
	}
	l.missing(TypeBindingUpdate, b.Has)
}

// missing lists what a message of type t always has and this one has not.
func (l *line) missing(t MessageType, has func(OptionCode) bool) {
	var names []string
	for c := OptionCode(1); int(c) < len(options); c++ {
		if always[t].has(c) && !has(c) {
			names = append(names, c.String())
		}
	}
	if names != nil {
		l.value("missing", strings.Join(names, ","))
	}
}

// span is d without the zeros at its end: "72h30m", "1h", "0s".
func span(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
