//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package leasefile

import (
	"errors"
	"os"
)

// Without a lock two servers could write one file and give one address twice, so there is no Store of the operating
// system's files here; Config.FS can bring one.
func flock(*os.File) error { return errors.ErrUnsupported }
