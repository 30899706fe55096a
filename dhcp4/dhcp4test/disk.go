package dhcp4test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/netip"

	"github.com/tandem-dhcp/tandem/lease/leasefile"
	"github.com/tandem-dhcp/tandem/lease/leasetest"
)

// diskFS is a leasetest.Disk as a leasefile.FS.
type diskFS struct{ *leasetest.Disk }

// OpenFile implements leasefile.FS.
func (d diskFS) OpenFile(name string, flag int, perm fs.FileMode) (leasefile.File, error) {
	f, err := d.Disk.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Lock implements leasefile.FS.
func (d diskFS) Lock(name string) (io.Closer, error) {
	lock, err := d.Disk.Lock(name)
	if errors.Is(err, leasetest.ErrBusy) {
		err = leasefile.ErrLocked
	}
	return lock, err
}

// pinger asks the LAN who uses an address.
type pinger struct{ from *station }

// Ping implements dora.Pinger. Whoever has the address answers at once, and nobody else ever does.
func (p pinger) Ping(ctx context.Context, addr netip.Addr) (bool, error) {
	if p.answers(addr) {
		return true, nil
	}
	<-ctx.Done()
	return false, nil
}

func (p pinger) answers(addr netip.Addr) bool {
	l := p.from.lan
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.stations {
		if s != p.from && s.addr == addr && p.from.reaches(s) {
			return true
		}
	}
	return false
}
