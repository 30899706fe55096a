package mmsg

import (
	"encoding/binary"
	"errors"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pair returns two sockets on the loopback interface and the sockaddr of the second.
func pair(t *testing.T) (from, to syscall.RawConn, addr []byte, closeTo func() error) {
	raw := func() (*net.UDPConn, syscall.RawConn) {
		u, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { u.Close() })
		r, err := u.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		return u, r
	}
	_, from = raw()
	u, to := raw()
	addr = make([]byte, unix.SizeofSockaddrInet4)
	binary.NativeEndian.PutUint16(addr, unix.AF_INET)
	binary.BigEndian.PutUint16(addr[2:], u.LocalAddr().(*net.UDPAddr).AddrPort().Port())
	copy(addr[4:], []byte{127, 0, 0, 1})
	if err := u.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return from, to, addr, u.Close
}

func TestBatch(t *testing.T) {
	from, to, addr, _ := pair(t)
	out, in := New(4, 0), New(3, 1)
	sizes := []int{1, 0, 70000, 5} // the third is more than a datagram holds
	for i, n := range sizes {
		out.SetBuffer(i, make([]byte, n))
		copy(out.SetName(i, len(addr)), addr)
	}
	n, err := out.Send(from, 0, 4)
	if n != 2 || !errors.Is(err, unix.EMSGSIZE) {
		t.Errorf("sent %d, %v, want 2 and EMSGSIZE", n, err)
	}
	if n, err := out.Send(from, 3, 4); n != 1 || err != nil {
		t.Errorf("sent %d, %v, want the fourth", n, err)
	}
	if n, err := out.Send(from, 4, 4); n != 0 || err != nil {
		t.Errorf("sent %d, %v of none", n, err)
	}
	for round, want := range [][]int{{1, 0}, {4}} { // the last one is cut
		for i := range in.Size() {
			in.SetBuffer(i, make([]byte, 4))
		}
		n, err := in.Recv(to, 2)
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		for i := range n {
			got = append(got, in.Len(i))
			if name := in.Name(i); len(name) != unix.SizeofSockaddrInet4 || !slices.Equal(name[4:8], addr[4:8]) {
				t.Errorf("came from %x", name)
			}
			if c := in.Control(i); len(c) != 0 {
				t.Errorf("ancillary data that nobody asked for: %x", c)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("round %d: got lengths %d, want %d", round, got, want)
		}
	}
}

func TestRecvEnds(t *testing.T) {
	_, to, _, closeTo := pair(t)
	done := make(chan error)
	go func() {
		b := New(1, 0)
		b.SetBuffer(0, make([]byte, 1))
		_, err := b.Recv(to, 1)
		done <- err
	}()
	if err := closeTo(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v, want an error that says closed", err)
	}
}
