//go:build unix

package leasefile

import (
	"io/fs"
	"os"
	"syscall"
)

// own gives a file the owner and mode in info. It is no matter if it cannot.
func own(name string, info fs.FileInfo) {
	_ = os.Chmod(name, info.Mode().Perm())
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		_ = os.Chown(name, int(st.Uid), int(st.Gid))
	}
}
