// Package mmsg receives and sends datagrams in batches with recvmmsg(2) and sendmmsg(2), and allocates nothing while it
// does: golang.org/x/net/ipv4 makes a net.UDPAddr of each datagram it receives. It is Linux alone; elsewhere the package
// is empty.
//
// A Batch belongs to one goroutine at a time.
package mmsg
