package leasefile

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// datasync leaves out what fsync would write besides: the times of the file.
func datasync(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err == nil {
			return nil
		}
		if err != unix.EINTR {
			return fmt.Errorf("fdatasync %s: %w", f.Name(), err)
		}
	}
}
