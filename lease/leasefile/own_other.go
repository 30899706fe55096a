//go:build !unix

package leasefile

import (
	"io/fs"
	"os"
)

func own(name string, info fs.FileInfo) { _ = os.Chmod(name, info.Mode().Perm()) }
