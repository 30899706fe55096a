package main

import (
	"fmt"
	"time"
)

// holders knows which client may use which address, by what servers have told. A client holds an address from the
// DHCPACK on until the time told is over, it is told of another address, or it is told that it has none (DHCPNAK).
type holders struct {
	of    map[uint32]hold // by address
	first uint            // number of the first client

	twice    int      // how often an address was given that somebody else held
	examples []string // of that, the first few
}

type hold struct {
	client int32
	until  time.Time
}

// maxExamples is how many broken promises are told one by one.
const maxExamples = 10

func newHolders(first uint) *holders { return &holders{of: make(map[uint32]hold), first: first} }

// gave notes that a client was told at now that it may use addr until, and no longer uses had.
func (h *holders) gave(now time.Time, client int32, addr, had uint32, until time.Time, server uint32) {
	if had != 0 && had != addr {
		h.took(client, had)
	}
	if other, ok := h.of[addr]; ok && other.client != client && now.Before(other.until) {
		h.twice++
		if len(h.examples) < maxExamples {
			h.examples = append(h.examples, fmt.Sprintf("%v was given to client %x by %v, and client %x holds it for %v yet",
				address(addr), hwAddr(uint32(h.first)+uint32(client)), address(server),
				hwAddr(uint32(h.first)+uint32(other.client)), other.until.Sub(now).Round(time.Second)))
		}
	}
	h.of[addr] = hold{client, until}
}

// took notes that a client does not use addr any more.
func (h *holders) took(client int32, addr uint32) {
	if h.of[addr].client == client {
		delete(h.of, addr)
	}
}
