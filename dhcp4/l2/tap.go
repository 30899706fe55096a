package l2

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// Tap writes the frames that pass a Conn to a pcap file, which tcpdump and Wireshark read: what the filter lets in, good
// or bad, and what is sent in frames. What leaves by UDP is not seen. It writes while the datagram waits, and is meant for
// looking for a fault. It may be shared by several Conns.
type Tap struct {
	mu  sync.Mutex
	w   *pcapgo.Writer
	err error
}

// NewTap returns a Tap that writes to w, and writes the header of the file. It keeps w and does not close it.
func NewTap(w io.Writer) (*Tap, error) {
	p := pcapgo.NewWriter(w)
	if err := p.WriteFileHeader(maxFrame, layers.LinkTypeEthernet); err != nil {
		return nil, fmt.Errorf("l2: beginning a pcap file: %w", err)
	}
	return &Tap{w: p}, nil
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
	info := gopacket.CaptureInfo{Timestamp: now, CaptureLength: len(data), Length: len(data), InterfaceIndex: p.index}
	if err := t.w.WritePacket(info, data); err != nil {
		t.err = fmt.Errorf("l2: writing a pcap file: %w", err)
	}
}
