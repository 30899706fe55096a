package l2

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"
	"time"
)

// Tap writes the frames that pass a Conn to a pcap file, which tcpdump and Wireshark read: what the filter lets in, good
// or bad, and what is sent in frames. What leaves by UDP is not seen. It writes while the datagram waits, and is meant for
// looking for a fault. It may be shared by several Conns.
type Tap struct {
	mu  sync.Mutex
	w   io.Writer
	buf []byte
	err error
}

// The format of libpcap, in little-endian order (draft-ietf-opsawg-pcap). It is written here, and by gopacket in the tests
// only, because that library's table of layers is 7 MB of memory, more than all else that an idle server has.
const (
	pcapMagic    = 0xa1b2c3d4 // times in microseconds
	pcapMajor    = 2
	pcapMinor    = 4
	pcapEthernet = 1 // LINKTYPE_ETHERNET
)

// NewTap returns a Tap that writes to w, and writes the header of the file. It keeps w and does not close it.
func NewTap(w io.Writer) (*Tap, error) {
	le := binary.LittleEndian
	header := le.AppendUint32(nil, pcapMagic)
	header = le.AppendUint16(le.AppendUint16(header, pcapMajor), pcapMinor)
	header = append(header, make([]byte, 8)...) // zone and accuracy of the times, which nobody uses
	header = le.AppendUint32(le.AppendUint32(header, maxFrame), pcapEthernet)
	if _, err := w.Write(header); err != nil {
		return nil, fmt.Errorf("l2: beginning a pcap file: %w", err)
	}
	return &Tap{w: w}, nil
}

// Err returns the error of the first frame that could not be written, or nil. None is written after it.
func (t *Tap) Err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// frame writes a frame, with the tag that the kernel took out.
func (t *Tap) frame(now time.Time, p *packet) {
	data := p.data
	if p.tag.present && len(data) >= etherHeader {
		data = append([]byte(nil), data[:12]...)
		data = binary.BigEndian.AppendUint16(data, etherTypeVLAN)
		data = binary.BigEndian.AppendUint16(data, p.tag.tci)
		data = append(data, p.data[12:]...)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		return
	}
	le := binary.LittleEndian
	t.buf = le.AppendUint32(le.AppendUint32(t.buf[:0], uint32(now.Unix())), uint32(now.Nanosecond()/1000))
	t.buf = le.AppendUint32(le.AppendUint32(t.buf, uint32(len(data))), uint32(len(data)))
	t.buf = append(t.buf, data...)
	if _, err := t.w.Write(t.buf); err != nil {
		t.err = fmt.Errorf("l2: writing a pcap file: %w", err)
	}
}
