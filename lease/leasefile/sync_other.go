//go:build !linux

package leasefile

import "os"

func datasync(f *os.File) error { return f.Sync() }
