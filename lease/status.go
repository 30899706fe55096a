package lease

import "strconv"

// Status is the binding status of an address, with the numbers that the failover protocol puts on the wire
// (draft-ietf-dhc-failover-12, section 12.3). The zero Status is no status at all.
type Status uint8

// The binding statuses of the draft's section 9.1.
const (
	Free      Status = 1 // may be given to a client by the primary
	Active    Status = 2 // leased to a client
	Expired   Status = 3 // the lease ended; the partner has not agreed yet
	Released  Status = 4 // the client gave it back; the partner has not agreed yet
	Abandoned Status = 5 // found in use by somebody unknown, or declined
	Reset     Status = 6 // freed by an operator; the partner has not agreed yet
	Backup    Status = 7 // may be given to a client by the secondary
)

// String returns the name dhcpd.leases(5) uses: "free", "active" and so on, or "Status(9)" for what has none.
func (s Status) String() string {
	switch s {
	case Free:
		return "free"
	case Active:
		return "active"
	case Expired:
		return "expired"
	case Released:
		return "released"
	case Abandoned:
		return "abandoned"
	case Reset:
		return "reset"
	case Backup:
		return "backup"
	}
	return "Status(" + strconv.Itoa(int(s)) + ")"
}

// Valid reports whether s is one of the seven statuses.
func (s Status) Valid() bool { return s >= Free && s <= Backup }

// Available reports whether s is one of the two statuses from which an address is given to a new client.
func (s Status) Available() bool { return s == Free || s == Backup }

// Ending reports whether s is one of the three in which an address waits for the partner's word before it becomes
// available again: Expired, Released and Reset.
func (s Status) Ending() bool { return s == Expired || s == Released || s == Reset }

// ParseStatus returns the Status that String names so. The second result is false if there is none.
func ParseStatus(name string) (Status, bool) {
	for s := Free; s <= Backup; s++ {
		if s.String() == name {
			return s, true
		}
	}
	return 0, false
}

// Flags are the IP-flags of a binding (draft section 12.12).
type Flags uint8

// The flags of the draft, at the bits where ISC dhcpd puts them.
const (
	Reserved Flags = 1 << 0 // set aside for its client, never in the free lists
	BOOTP    Flags = 1 << 1 // given by BOOTP, without an end
)
