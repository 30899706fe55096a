package leasefile

import (
	"bufio"
	"bytes"
	"errors"
	"hash/crc32"
	"io"
	"strconv"
)

// A commit stands between two marker lines that are comments to everybody else:
//
//	# begin 412
//	lease 10.0.0.5 {
//	...
//	# commit 412 9a3fe210
//
// 412 is how many octets stand between the lines, 9a3fe210 their CRC-32C.
const (
	beginMark  = "# begin "
	commitMark = "# commit "
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendCommit appends text as one commit.
func appendCommit(b, text []byte) []byte {
	b = strconv.AppendInt(append(b, beginMark...), int64(len(text)), 10)
	b = append(append(b, '\n'), text...)
	return appendCommitLine(b, text)
}

// appendCommitLine appends the line that closes the commit of text.
func appendCommitLine(b, text []byte) []byte {
	b = strconv.AppendInt(append(b, commitMark...), int64(len(text)), 10)
	b = append(b, ' ')
	sum := crc32.Checksum(text, castagnoli)
	for shift := 28; shift >= 0; shift -= 4 {
		b = append(b, hexDigits[sum>>shift&15])
	}
	return append(b, '\n')
}

// room is what is kept free before a text for the line that opens its commit.
const room = "# begin 123456789012345\n"

// closeCommit makes a commit of a text, which stands behind room in b. It begins at octet begin of the result.
func closeCommit(b []byte) (commit []byte, begin int) {
	text := b[len(room):]
	var line [len(room)]byte
	first := append(strconv.AppendInt(append(line[:0], beginMark...), int64(len(text)), 10), '\n')
	begin = len(room) - len(first)
	copy(b[begin:], first)
	return appendCommitLine(b, text), begin
}

// commitOverhead is how many octets the marker lines of a commit have together, n being the length between them.
func commitOverhead(n int64) int64 {
	return beginLength(n) + int64(len(commitMark)) + decimals(n) + int64(len(" 9a3fe210\n"))
}

func beginLength(n int64) int64 { return int64(len(beginMark)) + decimals(n) + 1 }

func decimals(n int64) int64 {
	var b [20]byte
	return int64(len(strconv.AppendInt(b[:0], n, 10)))
}

// parseBegin reads a line that opens a commit, its newline included.
func parseBegin(line []byte) (n int64, ok bool) {
	digits, ok := bytes.CutPrefix(line, []byte(beginMark))
	if !ok {
		return 0, false
	}
	digits, ok = bytes.CutSuffix(digits, []byte("\n"))
	if !ok {
		return 0, false
	}
	return parseLength(digits)
}

// parseLength reads a length as appendCommit writes it.
func parseLength(digits []byte) (n int64, ok bool) {
	if len(digits) == 0 || len(digits) > 15 || digits[0] == '0' && len(digits) > 1 {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// parseCommit reads a line that closes a commit, its newline included.
func parseCommit(line []byte) (n int64, sum uint32, ok bool) {
	rest, ok := bytes.CutPrefix(line, []byte(commitMark))
	if !ok {
		return 0, 0, false
	}
	digits, rest, _ := bytes.Cut(rest, []byte(" "))
	if n, ok = parseLength(digits); !ok || len(rest) != 9 || rest[8] != '\n' {
		return 0, 0, false
	}
	for _, c := range rest[:8] {
		v := bytes.IndexByte([]byte(hexDigits), c)
		if v < 0 {
			return 0, 0, false
		}
		sum = sum<<4 | uint32(v)
	}
	return n, sum, true
}

// region is a part of a file that may be read for stanzas: sound commits, or what others wrote between them.
type region struct {
	start, end int64
	line       int  // of start, from 1
	ours       bool // stanzas with Tandem's mark count
}

// survey is the plan of a file.
type survey struct {
	regions []region
	damage  []*Damage // whole commits left out, as yet without Path and Addrs
	torn    *Damage   // the torn end, if there is one: all from its Offset on can be cut
	glue    bool      // the last line has no newline
}

// surveyor finds the commits of a file, line by line.
type surveyor struct {
	survey
	at   int64 // of the line being looked at
	line int

	open      bool
	start     int64 // of the open commit's first line
	startLine int
	length    int64 // that it says
	text      int64 // where its text begins
	sum       uint32

	settled     int64 // all before is in regions or damage
	settledLine int
}

// surveyFile reads the first size octets of r and tells sound commits from damaged ones by their marker lines and
// checksums. Its own reading errors are returned; damage is not an error.
func surveyFile(r io.ReaderAt, size int64) (survey, error) {
	end, err := trimZeros(r, size)
	if err != nil {
		return survey{}, err
	}
	s := surveyor{line: 1, settledLine: 1}
	in := bufio.NewReaderSize(io.NewSectionReader(r, 0, end), 1<<18)
	var last []byte
	for fresh := true; s.at < end; {
		if fresh && !s.open {
			if err := s.skip(in); err != nil {
				return survey{}, err
			}
			if s.at == end {
				break
			}
		}
		piece, err := in.ReadSlice('\n')
		if err != nil && err != io.EOF && !errors.Is(err, bufio.ErrBufferFull) {
			return survey{}, err
		}
		if len(piece) == 0 {
			return survey{}, io.ErrUnexpectedEOF
		}
		if fresh && piece[len(piece)-1] == '\n' {
			if n := s.quick(in, piece, end); n > 0 {
				if _, err := in.Discard(n); err != nil {
					return survey{}, err
				}
				s.at, s.line = s.settled, s.settledLine
				continue
			}
			s.wholeLine(piece)
		} else {
			s.sum = crc32.Update(s.sum, castagnoli, piece) // a piece of a line without end is no marker
		}
		s.at += int64(len(piece))
		if fresh = piece[len(piece)-1] == '\n'; fresh {
			s.line++
			last = nil
		} else {
			last = append(last, piece[:min(len(piece), 64)]...)
		}
	}
	s.finish(end, size, last)
	return s.survey, nil
}

// skip passes over whole lines that are no marker lines, outside of a commit, as far as is in the buffer: with none of them
// is a '#'.
func (s *surveyor) skip(in *bufio.Reader) error {
	b, _ := in.Peek(1)
	for len(b) > 0 && b[0] != '#' {
		b, _ = in.Peek(in.Buffered())
		if n := bytes.IndexByte(b, '#'); n >= 0 {
			b = b[:n]
		}
		n := bytes.LastIndexByte(b, '\n') + 1
		if n == 0 {
			return nil
		}
		s.at += int64(n)
		s.line += bytes.Count(b[:n], []byte{'\n'})
		if _, err := in.Discard(n); err != nil {
			return err
		}
		b, _ = in.Peek(1)
	}
	return nil // what could not be read is noticed by who reads on
}

// quick takes in a whole commit that line begins, if what is in the buffer behind that line ends it as it should. It
// returns how many octets of the buffer that is; 0 if the commit must be looked at line by line.
func (s *surveyor) quick(in *bufio.Reader, line []byte, end int64) (n int) {
	length, ok := parseBegin(line)
	if !ok || s.open || length > commitText*3/2 {
		return 0
	}
	closing := int(commitOverhead(length) - beginLength(length))
	n = int(length) + closing
	if s.at+int64(len(line)+n) > end {
		return 0
	}
	begins := int64(len(line)) // the view ends with Peek
	b, err := in.Peek(n)
	if err != nil {
		return 0
	}
	text := b[:length]
	said, sum, ok := parseCommit(b[length:])
	if !ok || said != length || len(text) == 0 || text[len(text)-1] != '\n' || crc32.Checksum(text, castagnoli) != sum {
		return 0
	}
	s.foreign(s.at)
	s.sound(s.at, s.at+begins+int64(n), s.line, s.line+2+bytes.Count(text, []byte{'\n'}))
	return n
}

// sound makes a region of a commit, or a part of the region before it.
func (s *surveyor) sound(start, end int64, line, next int) {
	if last := len(s.regions) - 1; last >= 0 && s.regions[last].ours && s.regions[last].end == start {
		s.regions[last].end = end
	} else {
		s.regions = append(s.regions, region{start, end, line, true})
	}
	s.settled, s.settledLine = end, next
}

// wholeLine looks at one line, newline included.
func (s *surveyor) wholeLine(line []byte) {
	if n, ok := parseBegin(line); ok {
		s.begin(n, line, 0)
		return
	}
	if n, sum, ok := parseCommit(line); ok {
		s.commit(n, sum, int64(len(line)))
		return
	}
	if !s.open {
		return
	}
	// A commit whose last line lost its newline has the next one's first line behind it, which ends with a digit.
	if len(line) > 1 && '0' <= line[len(line)-2] && line[len(line)-2] <= '9' {
		at := max(bytes.LastIndex(line, []byte(beginMark)), 0)
		if n, ok := parseBegin(line[at:]); ok {
			s.begin(n, line, int64(at))
			return
		}
	}
	s.sum = crc32.Update(s.sum, castagnoli, line)
}

// begin opens a commit of n octets, at octets into the line, behind which they stand.
func (s *surveyor) begin(n int64, line []byte, at int64) {
	if s.open {
		s.damaged(s.start, s.at+at, s.startLine, s.line, errUnclosed)
	}
	s.open, s.start, s.startLine, s.length, s.sum = true, s.at+at, s.line, n, 0
	s.text = s.at + int64(len(line))
}

// commit closes a commit with a line of size octets.
func (s *surveyor) commit(n int64, sum uint32, size int64) {
	switch {
	case !s.open:
		// The line that opened it is unreadable. It stood so far before this one:
		start := s.at - n - beginLength(n)
		if start < s.settled {
			start = s.at
		}
		s.damaged(start, s.at+size, s.line, s.line+1, errUnopened)
	case s.at-s.text != s.length || s.length != n:
		s.damaged(s.start, s.at+size, s.startLine, s.line+1, errLength)
	case s.sum != sum:
		s.damaged(s.start, s.at+size, s.startLine, s.line+1, errChecksum)
	default:
		s.foreign(s.start)
		s.sound(s.start, s.at+size, s.startLine, s.line+1)
	}
	s.open = false
}

// damaged leaves out a part of the file, which begins in one line and ends before another, and settles what stands
// before it.
func (s *surveyor) damaged(start, end int64, line, next int, why error) {
	s.foreign(start)
	s.damage = append(s.damage, &Damage{Line: line, Offset: start, Size: end - start, Err: why})
	s.settled, s.settledLine = end, next
}

// foreign makes a region of what others wrote up to end.
func (s *surveyor) foreign(end int64) {
	if end > s.settled {
		s.regions = append(s.regions, region{s.settled, end, s.settledLine, false})
	}
}

// finish decides on the end of the file. end is where the trailing zeros begin that a file system leaves where the
// size of a file was durable and what was written was not; last is the beginning of a last line without newline.
func (s *surveyor) finish(end, size int64, last []byte) {
	tear := func(start int64, line int) {
		s.foreign(start)
		s.torn = &Damage{Line: line, Offset: start, Size: size - start, Torn: true, Err: errTorn}
	}
	n, sum, closes := parseCommit(append(last[:len(last):len(last)], '\n'))
	switch {
	case s.open && end-s.start < s.length+commitOverhead(s.length):
		// Shorter than its first line says: this is how a write ends that a crash broke off.
		tear(s.start, s.startLine)
	case s.open:
		// It has all its octets and yet nothing closes it.
		s.at = end
		s.damaged(s.start, end, s.startLine, s.line, errUnclosed)
		if end < size {
			tear(end, s.line)
		}
	case closes:
		// It closes nothing, and the newline that the next commit begins with would make a marker line of it.
		s.at = end - int64(len(last))
		s.commit(n, sum, int64(len(last)))
		if end < size {
			tear(end, s.line)
		}
	case len(last) > 0 && tornBegin(last):
		tear(end-int64(len(last)), s.line)
	case end < size:
		tear(end, s.line)
	default:
		s.foreign(end)
	}
	s.glue = len(last) > 0
	if s.torn != nil {
		s.glue = s.torn.Offset == end && len(last) > 0
	}
}

// tornBegin reports whether a last line without newline is the beginning of one that opens a commit.
func tornBegin(last []byte) bool {
	if len(last) <= len(beginMark) {
		return bytes.HasPrefix([]byte(beginMark), last)
	}
	digits, ok := bytes.CutPrefix(last, []byte(beginMark))
	if !ok {
		return false
	}
	_, ok = parseLength(digits)
	return ok
}

// trimZeros returns size without the octets of zero at the end of r.
func trimZeros(r io.ReaderAt, size int64) (int64, error) {
	var buf [4096]byte
	for size > 0 {
		n := min(size, int64(len(buf)))
		if _, err := r.ReadAt(buf[:n], size-n); err != nil && err != io.EOF {
			return 0, err
		}
		kept := len(bytes.TrimRight(buf[:n], "\x00"))
		size -= n - int64(kept)
		if kept > 0 {
			break
		}
	}
	return size, nil
}
