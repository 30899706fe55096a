package failover

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// watch has the kernel give the connection up when what was sent stays unacknowledged for so long: a partner whose cable
// is pulled is noticed then, and not when the receive timer ends. It reports whether it could.
func watch(conn net.Conn, patience time.Duration) bool {
	if inner, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = inner.NetConn() // of TLS
	}
	c, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(patience/time.Millisecond))
	})
	return err == nil && set == nil
}
