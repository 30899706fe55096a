package leasefile

import (
	"context"
	"runtime"
	"time"
)

const (
	// maxStint is how long a compaction works without a rest. Go's scheduler takes the processor away from who does not give
	// it only after 10 ms, and the kernel after 3 or 4. A sync waits for that more than once: its own thread and that of
	// the file system's journal need the processor in turn.
	maxStint = time.Millisecond / 2
	// maxRest bounds the rest after a stint that took long, as one does that waited for a busy disk.
	maxRest = 5 * time.Millisecond
	// maxGrowth is the part of the file by which it may grow before a compaction hurries: a quarter.
	maxGrowth = 4
	// dropTogether is how much of a file that nobody can find any more is freed at once: octets. What is freed is a part
	// of what the next sync of anybody waits for.
	dropTogether = 4 << 20
	// dropPause is how long syncs have the disk for themselves between two such parts.
	dropPause = 2 * time.Millisecond
)

// pace is how a compaction leaves the processor and the disk to clients: it rests as long as it has worked. To let the
// other goroutines run (runtime.Gosched) is not enough, as the kernel then still sees a thread that always has work.
type pace struct {
	hurried bool // nobody is served yet, or clients write faster than it copies
	since   time.Time
}

// rest is called between two small pieces of work.
func (p *pace) rest() {
	if p.hurried {
		runtime.Gosched()
		return
	}
	now := time.Now()
	if p.since.IsZero() {
		p.since = now
	}
	if took := now.Sub(p.since); took >= maxStint {
		time.Sleep(min(took, maxRest))
		p.since = time.Now()
	}
}

// gentle is the file, read at the pace of a compaction. Where Applies write faster than a compaction that rests can copy,
// it would never come to an end, and the new file be larger than the old one: so when they have written much, it rests no
// more.
type gentle struct {
	File
	store *Store
	w     *rewriting
}

func (g gentle) ReadAt(b []byte, at int64) (int, error) {
	g.store.state.Lock()
	grown := g.store.size - g.w.from
	g.store.state.Unlock()
	if grown > g.w.from/maxGrowth {
		g.w.pace.hurried = true
	}
	g.w.pace.rest()
	return g.File.ReadAt(b, at)
}

// drop closes a file that was replaced. The system frees a file when it has no name and is closed, all of it in one go,
// and syncs wait for that: a quarter of a gigabyte is 30 to 60 ms. So it is made shorter before, piece by piece, if the
// file system can tell that nobody would see that. err is what became of the replacement: as long as the new names are
// not durable, a crash could bring the old ones back.
func (s *Store) drop(ctx context.Context, f File, err error) {
	defer f.Close() // it was only read since its last sync
	forgotten, ok := f.(interface{ Forgotten() bool })
	if err != nil || !s.opened || !ok || !forgotten.Forgotten() {
		return
	}
	info, err := f.Stat()
	if err != nil {
		return
	}
	for size := info.Size(); size > 0 && ctx.Err() == nil; {
		size = max(size-dropTogether, 0)
		if f.Truncate(size) != nil {
			return
		}
		if size > 0 {
			time.Sleep(dropPause)
		}
	}
}
