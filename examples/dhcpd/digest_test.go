//go:build linux

package main_test

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/failover"
	"github.com/tandem-dhcp/tandem/pool"
)

// Two servers whose files differ in a range and a lease time say so, once, and are normal all the same.
func TestConfigurationsDiffer(t *testing.T) {
	tandems(t)
	t.Parallel()
	p := linkPair(t, 0, nil, one)
	other := one
	other.last = "10.0.10.48"
	p.secondary.write("dhcpd.conf", strings.Replace(linkConfig(nodeSecondary, nil, other), "max-lease-time 600", "max-lease-time 601", 1))
	p.meet(t)
	p.primary.waitLog(t, normalPeriod, 0, `^failover peer one: the peer's configuration differs: addresses of 10.0.10.0/24: "40" here, "39" at the peer; `+
		`max-lease-time of 10.0.10.0/24: "600" here, "601" at the peer; `+
		`ranges of 10.0.10.0/24: "10.0.10.10-10.0.10.49" here, "10.0.10.10-10.0.10.48" at the peer$`)
	p.secondary.waitLog(t, normalPeriod, 0, `^failover peer one: the peer's configuration differs: .*; `+
		`ranges of 10.0.10.0/24: "10.0.10.10-10.0.10.48" here, "10.0.10.10-10.0.10.49" at the peer$`)
	for _, s := range []*server{p.primary, p.secondary} {
		if n := strings.Count(strings.Join(s.log.since(0), "\n"), "configuration differs"); n != 1 {
			t.Errorf("%s says so %d times", s.node, n)
		}
	}
}

// An ISC dhcpd that is sent option 29, which no Tandem sends it, skips it.
func TestISCSkipsTheDigest(t *testing.T) {
	long(t)
	isc := swapISC(t)
	t.Parallel()
	p := linkPair(t, 0, nil, one)
	p.secondary.file = isc.file
	p.secondary.start()
	p.secondary.serving(t)
	var conn net.Conn
	err := inNamespace(p.ns(nodePrimary), func() (err error) {
		d := net.Dialer{Timeout: normalPeriod, LocalAddr: &net.TCPAddr{IP: serverAddr[nodePrimary].AsSlice()}}
		conn, err = d.Dial("tcp4", netip.AddrPortFrom(serverAddr[nodeSecondary], failover.DefaultPort).String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	half, err := pool.Split(128)
	if err != nil {
		t.Fatal(err)
	}
	digest := "\x00\x01\x00\x04\x01ab" + "c" + "\x00\x02\x00\x00"
	send := func(xid uint32, body failover.Body) {
		t.Helper()
		b, err := (&failover.Frame{Time: time.Now(), XID: xid, Body: body, Vendor: digest}).MarshalBinary()
		if err == nil {
			_, err = conn.Write(b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	r := failover.NewReader(conn)
	wanted := func(kind failover.MessageType) *failover.Frame {
		t.Helper()
		for {
			f, err := r.ReadFrame()
			if err != nil {
				t.Fatalf("waiting for %v: %v", kind, err)
			}
			if f.Body.Type() == kind {
				return f
			}
		}
	}
	send(1, &failover.Connect{Name: one.name, MaxUnacked: 10, ReceiveTimer: 30 * time.Second, VendorClass: "tandem-1", Version: 1,
		MCLT: linkMCLT, HBA: half})
	if ack := wanted(failover.TypeConnectAck).Body.(*failover.ConnectAck); ack.Reason != 0 {
		t.Fatalf("it refuses: %v: %s", ack.Reason, ack.Text)
	}
	wanted(failover.TypeState)
	send(2, &failover.StateReport{State: failover.Recover, Since: time.Now()})
	request := wanted(failover.TypeUpdateRequestAll)
	send(3, &failover.Contact{})
	send(4, &failover.UpdateRequestAll{})
	wanted(failover.TypeBindingUpdate)
	send(request.XID, &failover.UpdateDone{})
	p.secondary.waitState(t, normalPeriod, "recover-done")
	if !p.secondary.proc.running() {
		t.Error("it has exited")
	}
}
