package dora

import (
	"errors"
	"testing"

	"github.com/tandem-dhcp/tandem/lease"
)

var errGate = errors.New("not responding (startup)")

// held are the facts of an address that the client holds, in a pool of a server that may answer.
func held() request {
	return request{
		state: renewing, serverCheck: true,
		sure: true, knownNetwork: true, knownAddress: true, onNetwork: true,
		pooled: true,
		facts:  facts{status: lease.Active, own: true, permitted: true},
	}
}

// vacant are those of an address that nobody holds and that is this server's to give.
func vacant() request {
	r := held()
	r.state, r.status, r.own, r.mine = selecting, lease.Free, false, true
	r.server, r.offered = thisServer, client
	return r
}

func TestDecideRequest(t *testing.T) {
	tests := []struct {
		name string
		r    request
		with func(*request)
		want action
		told string
		drop bool // the client's offer is forgotten
	}{
		// SELECTING
		{name: "the address it was offered is granted", r: vacant(), want: grant},
		{name: "so is one whose offer a restart has forgotten", r: vacant(), with: func(r *request) { r.offered = nobody }, want: grant},
		{name: "who chose another server gets silence, and the offer is free again", r: vacant(),
			with: func(r *request) { r.server = otherServer }, want: ignore, drop: true},
		{name: "unless the identifier is not to be looked at, as with ISC dhcpd", r: vacant(),
			with: func(r *request) { r.server, r.serverCheck = otherServer, false }, want: grant, drop: true},
		{name: "who chose another server gets silence even on the wrong network", r: vacant(),
			with: func(r *request) { r.server, r.onNetwork, r.authoritative = otherServer, false, true }, want: ignore, drop: true},
		{name: "who chose another server gets silence even with a reservation elsewhere", r: vacant(),
			with: func(r *request) { r.server, r.reservation = otherServer, true }, want: ignore, drop: true},
		{name: "an address kept for another client is refused", r: vacant(),
			with: func(r *request) { r.offered = another }, want: refuse, told: toldUnavailable, drop: true},
		{name: "an address that the partner may have given is not ours to refuse", r: vacant(),
			with: func(r *request) { r.mine = false }, want: ignore},

		// INIT-REBOOT
		{name: "the last holder of a free address gets it back", r: vacant(),
			with: func(r *request) { r.state, r.server, r.offered, r.own = initReboot, noServer, nobody, true }, want: grant},
		{name: "without a record of the client: silence", r: vacant(),
			with: func(r *request) { r.state, r.server, r.offered = initReboot, noServer, nobody }, want: ignore},
		{name: "without a record, but authoritative: refused", r: vacant(),
			with: func(r *request) {
				r.state, r.server, r.offered, r.authoritative = initReboot, noServer, nobody, true
			}, want: refuse, told: toldUnavailable, drop: true},
		{name: "without a record, and the partner's address: silence, authoritative or not", r: vacant(),
			with: func(r *request) {
				r.state, r.server, r.offered, r.authoritative, r.mine = initReboot, noServer, nobody, true, false
			}, want: ignore},
		{name: "from the wrong network, not authoritative: silence", r: vacant(),
			with: func(r *request) { r.state, r.onNetwork = initReboot, false }, want: ignore},
		{name: "from the wrong network, authoritative: refused", r: vacant(),
			with: func(r *request) { r.state, r.onNetwork, r.authoritative = initReboot, false, true }, want: refuse,
			told: toldNetwork, drop: true},
		{name: "from the wrong network to an address that is not ours, authoritative: refused", r: vacant(),
			with: func(r *request) {
				r.state, r.onNetwork, r.authoritative = initReboot, false, true
				r.knownAddress, r.pooled = false, false
			}, want: refuse, told: toldNetwork, drop: true},
		{name: "from an unknown network, authoritative for the address: refused", r: vacant(),
			with: func(r *request) {
				r.state, r.knownNetwork, r.onNetwork, r.authoritative = initReboot, false, false, true
			},
			want: refuse, told: toldNetwork, drop: true},
		{name: "from an unknown network to an unknown address: silence", r: vacant(),
			with: func(r *request) {
				r.state, r.knownNetwork, r.onNetwork, r.authoritative = initReboot, false, false, true
				r.knownAddress, r.pooled = false, false
			}, want: ignore},

		// RENEWING and REBINDING
		{name: "the holder's lease goes on", r: held(), want: grant},
		{name: "the holder's lease goes on from an unknown interface", r: held(),
			with: func(r *request) { r.sure, r.knownNetwork, r.onNetwork, r.authoritative = false, false, false, true }, want: grant},
		{name: "another client's address is refused", r: held(),
			with: func(r *request) { r.own = false }, want: refuse, told: toldUnavailable, drop: true},
		{name: "another client's address is not refused by a server that must be silent", r: held(),
			with: func(r *request) { r.own, r.answers = false, errGate }, want: ignore},
		{name: "a server that must be silent does not renew", r: held(),
			with: func(r *request) { r.answers = errGate }, want: ignore},
		{name: "a free address is given to who uses it, though on no record", r: vacant(),
			with: func(r *request) { r.state, r.server, r.offered = renewing, noServer, nobody }, want: grant},
		{name: "a free address of the partner: silence", r: vacant(),
			with: func(r *request) { r.state, r.server, r.offered, r.mine = renewing, noServer, nobody, false }, want: ignore},
		{name: "an address in no pool: silence", r: held(),
			with: func(r *request) { r.pooled = false }, want: ignore},
		{name: "the gate does not let the lease go on: silence", r: held(),
			with: func(r *request) { r.limit = errGate }, want: ignore},

		// what waits for the partner
		{name: "an ended lease that the partner was never told of goes on", r: held(),
			with: func(r *request) { r.status = lease.Expired }, want: grant},
		{name: "an ended lease that the partner was told of: silence", r: held(),
			with: func(r *request) { r.status, r.limit = lease.Expired, errGate }, want: ignore},
		{name: "another client's ended lease: silence", r: held(),
			with: func(r *request) { r.status, r.own = lease.Released, false }, want: ignore},
		{name: "a lease that an operator took away is refused", r: held(),
			with: func(r *request) { r.status = lease.Reset }, want: refuse, told: toldUnavailable, drop: true},
		{name: "an abandoned address: silence", r: held(),
			with: func(r *request) { r.status, r.own = lease.Abandoned, false }, want: ignore},

		// reservations
		{name: "the reserved address is granted, whatever the partner says", r: held(),
			with: func(r *request) { r.reservation, r.fixed, r.pooled, r.answers = true, true, false, errGate }, want: grantFixed},
		{name: "a client with a reservation is refused its dynamic lease", r: held(),
			with: func(r *request) { r.reservation = true }, want: refuse, told: toldReservation, drop: true},
		{name: "also by a server that must be silent: it is no matter of the partner's", r: held(),
			with: func(r *request) { r.reservation, r.answers = true, errGate }, want: refuse, told: toldReservation, drop: true},
		{name: "another client's reserved address is refused", r: held(),
			with: func(r *request) { r.reserved, r.pooled, r.own, r.status = true, false, false, lease.Free }, want: refuse,
			told: toldUnavailable, drop: true},
		{name: "an address reserved for another client is refused to its holder", r: held(),
			with: func(r *request) { r.reserved, r.pooled = true, false }, want: refuse, told: toldUnavailable, drop: true},

		// pools
		{name: "the holder is refused an address of a pool it may not use any more", r: held(),
			with: func(r *request) { r.permitted = false }, want: refuse, told: toldUnavailable, drop: true},
		{name: "a free address of a pool it may not use is refused", r: vacant(),
			with: func(r *request) { r.permitted = false }, want: refuse, told: toldUnavailable, drop: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.with != nil {
				tt.with(&tt.r)
			}
			got := tt.r.decide()
			if got.action != tt.want || got.told != tt.told || got.drop != tt.drop {
				t.Errorf("got %+v, want action %v, told %q, drop %v", got, tt.want, tt.told, tt.drop)
			}
			if got.action == ignore && got.reason == "" {
				t.Error("silence without a reason")
			}
		})
	}
}

// A lease that another client holds is never granted, whatever else is true.
func TestDecideNeverGrantsWhatAnotherHolds(t *testing.T) {
	bools := []bool{false, true}
	for _, st := range []state{selecting, initReboot, renewing, rebinding} {
		for _, server := range []serverName{noServer, thisServer, otherServer} {
			for _, offered := range []holder{nobody, client, another} {
				for bits := range 1 << 10 {
					bit := func(i int) bool { return bools[bits>>i&1] }
					r := request{
						state: st, server: server, serverCheck: bit(0),
						sure: bit(1), knownNetwork: bit(2), knownAddress: bit(3), onNetwork: bit(4), authoritative: bit(5),
						reservation: bit(6), pooled: bit(7),
						facts: facts{status: lease.Active, offered: offered, permitted: bit(8), mine: bit(9)},
					}
					if v := r.decide(); v.action == grant || v.action == grantFixed {
						t.Fatalf("%+v: granted", r)
					}
					if r.offerable() {
						t.Fatalf("%+v: offerable", r.facts)
					}
				}
			}
		}
	}
}

func TestOfferable(t *testing.T) {
	free := facts{status: lease.Free, permitted: true, mine: true}
	own := facts{status: lease.Active, own: true, permitted: true}
	tests := []struct {
		name string
		f    facts
		with func(*facts)
		want bool
	}{
		{"a free address", free, func(f *facts) {}, true},
		{"a free address kept for the client", free, func(f *facts) { f.offered = client }, true},
		{"a free address kept for another", free, func(f *facts) { f.offered = another }, false},
		{"a free address of the partner", free, func(f *facts) { f.mine = false }, false},
		{"a partner's address after the waits", free, func(f *facts) { f.status = lease.Backup }, true},
		{"a free address set aside for another", free, func(f *facts) { f.reserved = true }, false},
		{"a free address of a pool for others", free, func(f *facts) { f.permitted = false }, false},
		{"a free address that the gate keeps", free, func(f *facts) { f.limit = errGate }, false},
		{"the client's lease", own, func(f *facts) {}, true},
		{"the client's lease in a pool for others", own, func(f *facts) { f.permitted = false }, false},
		{"another's lease", own, func(f *facts) { f.own = false }, false},
		{"the client's expired lease, if the gate lets it", own, func(f *facts) { f.status = lease.Expired }, true},
		{"the client's released lease, if the gate does not", own, func(f *facts) { f.status, f.limit = lease.Released, errGate }, false},
		{"another's expired lease", own, func(f *facts) { f.status, f.own = lease.Expired, false }, false},
		{"a reset lease", own, func(f *facts) { f.status = lease.Reset }, false},
		{"an abandoned address", own, func(f *facts) { f.status = lease.Abandoned }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.with(&tt.f)
			if got := tt.f.offerable(); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
