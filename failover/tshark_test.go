package failover

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/tandem-dhcp/tandem/lease"
)

// tsharkFields are what is asked of Wireshark's dissector, a row a message.
var tsharkFields = []string{"dhcpfo.type", "dhcpfo.xid", "dhcpfo.assignedipaddress", "dhcpfo.bindingstatus",
	"dhcpfo.leaseexpirationtime", "dhcpfo.potentialexpirationtime", "dhcpfo.starttimeofstate",
	"dhcpfo.clientlasttransactiontime", "dhcpfo.ipflags", "dhcpfo.rejectreason", "dhcpfo.message",
	"dhcpfo.relationshipname", "dhcpfo.maxunackedbndupd", "dhcpfo.receivetimer", "dhcpfo.vendorclass",
	"dhcpfo.protocolversion", "dhcpfo.mclt", "dhcpfo.serverstatus", "dhcpfo.serverflag", "dhcpfo.addressestransferred"}

// tsharkRow is what Wireshark ought to find in f.
func tsharkRow(f *Frame) map[string]string {
	row := map[string]string{"type": num(f.Body.Type()), "xid": fmt.Sprintf("0x%08x", f.XID)}
	secs := func(t time.Time) string { return num(lease.ToUnix(t)) }
	unless0 := func(name string, v int64) {
		if v != 0 {
			row[name] = num(v)
		}
	}
	connect := func(name, vendor string, version uint8, maxUnacked uint32, timer time.Duration) {
		row["relationshipname"], row["vendorclass"], row["protocolversion"] = name, vendor, num(version)
		unless0("maxunackedbndupd", int64(maxUnacked))
		unless0("receivetimer", int64(timer/time.Second))
	}
	switch b := f.Body.(type) {
	case *BindingUpdate:
		b0 := b.Bindings[0]
		row["assignedipaddress"], row["bindingstatus"] = b0.Addr.String(), num(b0.Status)
		row["leaseexpirationtime"], row["potentialexpirationtime"] = secs(b0.Expiry), secs(b0.PotentialExpiry)
		row["starttimeofstate"] = secs(b0.Since)
		unless0("clientlasttransactiontime", lease.ToUnix(b0.LastTransaction))
		if b0.Flags != 0 {
			row["ipflags"] = fmt.Sprintf("0x%04x", b0.Flags)
		}
	case *BindingAck:
		row["assignedipaddress"], row["message"] = b.Results[0].Addr.String(), b.Results[0].Text
		unless0("rejectreason", int64(b.Results[0].Reason))
	case *Connect:
		connect(b.Name, b.VendorClass, b.Version, b.MaxUnacked, b.ReceiveTimer)
		row["mclt"] = num(int64(b.MCLT / time.Second))
	case *ConnectAck:
		connect(b.Name, b.VendorClass, b.Version, b.MaxUnacked, b.ReceiveTimer)
		unless0("rejectreason", int64(b.Reason))
		row["message"] = b.Text
	case *StateReport:
		row["serverstatus"], row["starttimeofstate"] = num(b.State), secs(b.Since)
		row["serverflag"] = map[bool]string{false: "0", true: "1"}[b.Startup]
	case *Disconnect:
		row["rejectreason"], row["message"] = num(b.Reason), b.Text
	case *PoolResponse:
		row["addressestransferred"] = num(b.Transferred)
	}
	return row
}

func num[T ~uint8 | ~uint32 | ~int64](v T) string { return strconv.FormatInt(int64(v), 10) }

// TestTshark lets Wireshark read what we write.
func TestTshark(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		if os.Getenv("TANDEM_REQUIRE_LAB") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	var frames []*Frame
	for _, s := range samples(t, "isc.jsonl") {
		frames = append(frames, decode(t, s.octets(t)))
	}
	now := time.Unix(0x6b02db3e, 0)
	frames = append(frames,
		&Frame{Time: now, XID: 1<<32 - 1, Vendor: "\x00\x01\x00\x00", Digest: Digest{1, strings.Repeat("d", 16)}, Body: &Contact{}},
		&Frame{Time: now, Body: &Connect{Name: "n", MaxUnacked: 1, ReceiveTimer: time.Second, VendorClass: "tandem", Version: 1,
			TLSRequest: 2, MCLT: time.Hour, HBA: split(t, 64), DelayedService: 255 * time.Second}},
		&Frame{Time: now, Body: &BindingUpdate{[]Binding{{Addr: addr("10.0.0.1"), Status: lease.Active, Expiry: lease.Never,
			PotentialExpiry: lease.Never, Since: now, LastTransaction: now, Flags: lease.Reserved | lease.BOOTP,
			Client:         lease.Client{ID: "\x00an identifier", HW: "\x01\x02\x03\x04\x05\x06\x07"},
			RequestOptions: "\x35\x01\x03", ReplyOptions: "\x35\x01\x05"}}}},
		&Frame{Time: now, Body: &Disconnect{Reason: RejectUnknown, Text: strings.Repeat("long ", 50)}},
	)

	file := filepath.Join(t.TempDir(), "frames.pcap")
	var all []byte
	tap := newTap(t)
	for _, f := range frames {
		b := encode(t, f)
		tap.segment(b)
		all = append(all, b...)
	}
	for ; len(all) > 1000; all = all[1000:] { // once more, cut anywhere
		tap.segment(all[:1000])
	}
	tap.segment(all)
	if err := os.WriteFile(file, tap.pcap.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}

	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(tshark, append([]string{"-n", "-r", file, "-d", "tcp.port==647,dhcpfo", "-d", "tcp.port==678,dhcpfo"}, args...)...)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v\n%s", cmd, err, errs.Bytes())
		}
		return string(out)
	}
	if bad := run("-Y", "_ws.malformed || _ws.expert.group == 0x07000000 || dhcpfo.bad_length || _ws.unreassembled"); bad != "" {
		t.Errorf("malformed, says tshark:\n%s", bad)
	}
	args := []string{"-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", "-E", "aggregator=|"}
	for _, field := range tsharkFields {
		args = append(args, "-e", field)
	}
	rows := strings.Split(strings.TrimRight(run(args...), "\n"), "\n")
	if len(rows) <= len(frames) {
		t.Fatalf("%d rows for %d messages", len(rows), len(frames))
	}
	for i, f := range frames {
		want := tsharkRow(f)
		for j, got := range strings.Split(rows[i], "\t") {
			name := strings.TrimPrefix(tsharkFields[j], "dhcpfo.")
			if got != want[name] {
				t.Errorf("%v\n%s is %q for tshark, want %q", f, name, got, want[name])
			}
		}
	}
	again := 0
	for _, row := range rows[len(frames):] {
		if types, _, _ := strings.Cut(row, "\t"); types != "" {
			again += 1 + strings.Count(types, "|")
		}
	}
	if again != len(frames) {
		t.Errorf("in segments of 1000 octets tshark finds %d messages, want %d", again, len(frames))
	}
}

// tap is a capture file of one direction of a TCP connection.
type tap struct {
	t    *testing.T
	pcap bytes.Buffer
	w    *pcapgo.Writer
	seq  uint32
}

func newTap(t *testing.T) *tap {
	c := &tap{t: t, seq: 1}
	c.w = pcapgo.NewWriter(&c.pcap)
	if err := c.w.WriteFileHeader(65536, layers.LinkTypeRaw); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *tap) segment(payload []byte) {
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: net.IPv4(10, 0, 10, 251), DstIP: net.IPv4(10, 0, 10, 252)}
	tcp := &layers.TCP{SrcPort: 40000, DstPort: 647, Seq: c.seq, Ack: 1, ACK: true, PSH: true, Window: 65535}
	if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
		c.t.Fatal(err)
	}
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buf, opts, ip, tcp, gopacket.Payload(payload)); err != nil {
		c.t.Fatal(err)
	}
	c.seq += uint32(len(payload))
	info := gopacket.CaptureInfo{Timestamp: time.Unix(0x6b02db3e, 0), CaptureLength: len(buf.Bytes()), Length: len(buf.Bytes())}
	if err := c.w.WritePacket(info, buf.Bytes()); err != nil {
		c.t.Fatal(err)
	}
}
