//go:build linux

package main_test

import (
	"encoding/hex"
	"net"
	"testing"
)

// mixing is the table of RFC 3074, section 6, in hexadecimal; here once more, so that these tests do not believe what
// they test.
const mixing = "fbaf77d7510e4fbf6731b58fba9d00e81f20373c983a11edae46a090dc5a39df" +
	"3b03128c6fa6cbc486f37c5fdeb3c541b430240f6b2ee982a51e7ba1d1176110" +
	"285bdb3d640ad26dfa7f168a1d6cf443cf09b2cc4a627ef9a774224dc1c87905" +
	"14714723800db65e19e2e3c74b1b29f5e6e02be1b11a9b96d48eda73f1495869" +
	"27723effc0c991d6a89edd949a7a0c5452a32c8be4eccdf2d90bbb929f4056ef" +
	"c32a6ac67670b8ac5702ad75b0e5f7fd89b963a466932d42e7348dd3c2cef6ee" +
	"386e4ef83ff0bd5d5c3335b713ab48322168654508fc53784c875536ca7dbcd5" +
	"60eb88d0a281be849c262f0107fe1804d88359151c8525999550aa4406a9ea97"

// bucket is the hash of RFC 3074 over a client identifier or hardware address.
func bucket(stid []byte) byte {
	table, err := hex.DecodeString(mixing)
	if err != nil {
		panic(err)
	}
	h := byte(len(stid))
	for i := len(stid) - 1; i >= 0; i-- {
		h = table[h^stid[i]]
	}
	return h
}

// seedSplit is the seed's split: the buckets below it are the primary's.
const seedSplit = 128

// inCharge returns the node that answers a client at the seed's split.
func inCharge(stid []byte) string {
	if bucket(stid) < seedSplit {
		return nodePrimary
	}
	return nodeSecondary
}

// macs returns n hardware addresses from number first on; those that hash to a node, or any if node is "".
func macs(n, first int, node string) []net.HardwareAddr {
	var all []net.HardwareAddr
	for i := first; len(all) < n; i++ {
		mac := net.HardwareAddr{2, 0x10, 0, byte(i >> 16), byte(i >> 8), byte(i)}
		if node == "" || inCharge(mac) == node {
			all = append(all, mac)
		}
	}
	return all
}

func TestBucket(t *testing.T) {
	for _, c := range []struct {
		stid string
		want byte
	}{{"b6ec57bf933c", 208}, {"020000000001", 133}, {"020000000002", 45}, {"01000709", 101}, {"01010709", 154}} {
		stid, err := hex.DecodeString(c.stid)
		if err != nil {
			t.Fatal(err)
		}
		if got := bucket(stid); got != c.want {
			t.Errorf("%s: got %d, want %d", c.stid, got, c.want)
		}
	}
}

// mustMAC parses a hardware address.
func mustMAC(t testing.TB, s string) net.HardwareAddr {
	t.Helper()
	mac, err := net.ParseMAC(s)
	if err != nil {
		t.Fatal(err)
	}
	return mac
}
