//go:build !linux

package l2

import "errors"

func openPackets(Config) (packetSocket, error) { return nil, errors.ErrUnsupported }
