//go:build !unix

package dhcp4

import "errors"

type system struct{}

func setOptions(int, UDPConfig) error { return errors.ErrUnsupported }

func (c *UDPConn) open() error { return errors.ErrUnsupported }

func (c *UDPConn) force(int) error { return errors.ErrUnsupported }

// ReadBatch implements Conn.
func (c *UDPConn) ReadBatch([]Datagram) (int, error) { return 0, errors.ErrUnsupported }

// WriteBatch implements Conn.
func (c *UDPConn) WriteBatch([]Datagram) (int, error) { return 0, errors.ErrUnsupported }
