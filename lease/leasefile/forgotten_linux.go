package leasefile

import "golang.org/x/sys/unix"

// Forgotten reports whether the file has no name any more and nobody else has it open, so that nobody can tell what
// becomes of it. The kernel gives a lease for writing (fcntl(2), F_SETLEASE) on no file that somebody else has open.
func (f osFile) Forgotten() bool {
	fd := f.Fd()
	var info unix.Stat_t
	if err := unix.Fstat(int(fd), &info); err != nil || info.Nlink > 0 {
		return false
	}
	if _, err := unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		return false
	}
	_, err := unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_UNLCK)
	return err == nil
}
