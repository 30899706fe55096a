// Package dhcp4test is httptest for DHCP: an Ethernet segment in memory, with clients, relays, servers and whole pairs of
// servers on it, which a test can crash, starve, split and heal, and which looks after the promises that DHCP makes.
//
// What is on the segment is the real thing: the server loop of package dhcp4, the engine of package dora, lease files of
// package leasefile on a disk in memory, a failover.Endpoint over connections in memory. The clients behave as RFC 2131
// has them. In a bubble of testing/synctest no time passes, so a lease of a week is over in a moment:
//
//	func TestMyServer(t *testing.T) {
//		synctest.Test(t, func(t *testing.T) {
//			lan := dhcp4test.NewLAN(t, netip.MustParsePrefix("10.0.0.0/24"))
//			lan.Serve(myHandler) // a dhcp4.Handler
//			client := lan.NewClient()
//			if _, err := client.Acquire(); err != nil {
//				t.Fatal(err)
//			}
//			time.Sleep(7 * 24 * time.Hour)
//			...
//		})
//	}
//
// Outside of a bubble all works as well, in real time. Everything ends with the test.
//
// # A handler, a policy, a pair
//
//	lan.Serve(handler)           one's own dhcp4.Handler
//	lan.NewServer(ServerConfig)  a whole server, with one's own pools, classes, hosts
//	lan.NewPair(PairConfig)      two whole servers that are partners
//	lan.NewRelay(servers, ...)   a relay agent and router between two LANs
//	lan.NewClient()              a client: Acquire, Renew, Rebind, Reboot, Release, Decline; or Live, which does it all
//
// The examples show a test of each in ten, twenty and thirty lines.
//
// # What can go wrong
//
//	Server.Crash, PowerOff, Stop     a process is killed, a machine loses its power, an operator stops it; Restart
//	Server.LoseDisk, Disk            the ledger is gone; writes fail, the disk is full (see leasetest.Disk)
//	Server.StepClock, DriftClock     the clocks of two partners differ
//	LAN.Split, Heal                  the switch is cut in two
//	LAN.SetWeather                   datagrams are lost, doubled, delayed, overtaken
//	Pair.CutLink, CutFrom, ResetLink the servers do not hear each other, though clients reach both
//
// # What is checked
//
// While all this goes on each DHCPACK and DHCPNAK that a client receives is looked at: no address may be held by two
// clients ([Once]), or be refused to the one who holds it ([Kept]). After each start of a server what its clients hold must
// be on its record ([Remembered]), and when a pair is at rest ([Pair.Settle]) both must say the same ([Agreed]). A promise
// that was broken fails the test in the end, or when [LAN.Check] is called; a test that wants one broken asks
// [LAN.Breaches].
//
// # Captures
//
// [LAN.Record] writes what passes on the LAN as a pcap file. [LAN.Replay] plays the clients of one, of tcpdump's say, and
// returns what was answered then beside what is answered now.
//
// What the weather does comes from a seed, but goroutines run in the order they run in: a run is not repeated octet for
// octet. For that, and for faults between any two steps of a server, see package failovertest.
package dhcp4test
