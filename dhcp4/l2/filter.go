package l2

import (
	"slices"

	"golang.org/x/net/bpf"
)

// wholeFrame is what a filter returns to accept a frame in full, in octets.
const wholeFrame = 1 << 16

// filter returns the program that accepts IPv4 datagrams to a UDP port, without a tag or with one of 802.1Q (which the
// kernel usually has taken out before), and no fragments. The last thing it looks at, and few frames but DHCP's get that
// far, is the interface: one of indexes, or any if that is nil.
func filter(port uint16, indexes []int) []bpf.Instruction {
	no := bpf.RetConstant{}
	plain, tagged := isUDP(port, etherHeader), isUDP(port, etherHeader+tagSize)
	tagged = append([]bpf.Instruction{
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: etherTypeVLAN, SkipTrue: 1},
		no,
		bpf.LoadAbsolute{Off: 16, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: etherTypeIPv4, SkipTrue: 1},
		no,
	}, tagged...)
	plain = append(plain, bpf.Jump{Skip: uint32(len(tagged))})
	program := slices.Concat([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 12, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: etherTypeIPv4, SkipTrue: uint8(len(plain))},
	}, plain, tagged)

	if indexes == nil {
		return append(program, bpf.RetConstant{Val: wholeFrame})
	}
	program = append(program, bpf.LoadExtension{Num: bpf.ExtInterfaceIndex})
	for _, index := range indexes {
		program = append(program,
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(index), SkipTrue: 1},
			bpf.RetConstant{Val: wholeFrame})
	}
	return append(program, no)
}

// isUDP returns the part of a program that goes on behind itself for a datagram to a UDP port, and ends for another. The
// IPv4 header begins at an offset.
func isUDP(port uint16, at uint32) []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: at + 9, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: protocolUDP, SkipTrue: 5},
		bpf.LoadAbsolute{Off: at + 6, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: fragmentBits, SkipTrue: 3},
		bpf.LoadMemShift{Off: at}, // the length of the header
		bpf.LoadIndirect{Off: at + 2, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(port), SkipTrue: 1},
		bpf.RetConstant{},
	}
}
