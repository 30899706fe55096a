package l2

import (
	"testing"

	"github.com/google/gopacket/layers"
	"golang.org/x/net/bpf"
)

func TestFilter(t *testing.T) {
	vm, err := bpf.NewVM(filter(67, nil))
	if err != nil {
		t.Fatal(err)
	}
	with := func(f frame, change func(*frame)) frame { change(&f); return f }
	tagged := with(heard(), func(f *frame) { f.tag = tag{true, 0xe064} })
	octet := func(f frame, at int, v byte) []byte {
		b := appendFrame(nil, &f)
		b[at] = v
		return b
	}
	const ip = etherHeader
	for _, tt := range []struct {
		name string
		in   []byte
		want bool
	}{
		{"from a client", octet(heard(), 0, 0xff), true},
		{"with a tag", octet(tagged, 0, 0xff), true},
		{"unicast", octet(with(heard(), func(f *frame) { f.dstHW = serverHW }), 0, 2), true},
		{"with IP options", oracle(t, heard(), []layers.IPv4Option{{OptionType: 148, OptionLength: 4, OptionData: []byte{0, 0}}}), true},
		{"to the client's port", octet(sent(), 0, 2), false},
		{"with a tag, to the client's port", octet(with(sent(), func(f *frame) { f.tag = tag{true, 1} }), 0, 2), false},
		{"TCP", octet(heard(), ip+9, 6), false},
		{"with a tag, TCP", octet(tagged, ip+tagSize+9, 6), false},
		{"first fragment", octet(heard(), ip+6, 0x20), false},
		{"later fragment", octet(heard(), ip+7, 9), false},
		{"with a tag, later fragment", octet(tagged, ip+tagSize+7, 9), false},
		{"IPv6", octet(heard(), 12, 0x86), false},
		{"with a tag, ARP", octet(tagged, 17, 6), false},
		{"two tags", octet(tagged, 16, 0x81), false},
		{"ARP", octet(heard(), 13, 6), false},
		{"short", make([]byte, 13), false},
	} {
		n, err := vm.Run(tt.in)
		if got := n > 0; err != nil || got != tt.want {
			t.Errorf("%s: accepted is %v, want %v (%v)", tt.name, got, tt.want, err)
		}
	}
}

func TestFilterFits(t *testing.T) {
	const most = 4096 // the kernel's BPF_MAXINSNS
	program, err := bpf.Assemble(filter(67, make([]int, maxInterfaces)))
	if err != nil || len(program) > most {
		t.Errorf("%d instructions for %d interfaces, want at most %d (%v)", len(program), maxInterfaces, most, err)
	}
	// An empty list is no interface, not any.
	if last := filter(67, []int{}); last[len(last)-1] != (bpf.RetConstant{}) {
		t.Errorf("without interfaces the program ends in %v", last[len(last)-1])
	}
}

// FuzzFilter holds the filter against the parser: what a server would answer must get through to it.
func FuzzFilter(f *testing.F) {
	for _, g := range []frame{sent(), heard()} {
		f.Add(appendFrame(nil, &g))
		g.tag = tag{true, 100}
		f.Add(appendFrame(nil, &g))
	}
	vm, err := bpf.NewVM(filter(67, nil))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		n, err := vm.Run(in)
		if err != nil {
			t.Fatal(err)
		}
		g, err := parseFrame(in, true)
		if want := g.dst.Port() == 67; err == nil && want != (n > 0) {
			t.Fatalf("%x: accepted is %v, want %v", in, n > 0, want)
		}
	})
}
