package leasefile

import (
	"fmt"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

// endOfDates is the first second that ISC dhcpd cannot tell from "never" (parse_date: any year from 2038 on).
var endOfDates = time.Date(2038, 1, 1, 0, 0, 0, 0, time.UTC)

// iscTime is t as an ISC dhcpd would read it back.
func iscTime(t time.Time) time.Time {
	if t.Before(endOfDates) {
		return t
	}
	return lease.Never
}

// appendDate appends t, which is not zero, as "0 2026/11/22 12:08:30" or "never".
func appendDate(b []byte, t time.Time) []byte {
	if !t.Before(endOfDates) {
		return append(b, "never"...)
	}
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	b = append(b, '0'+byte(t.Weekday()), ' ')
	b = appendTwo(append(appendTwo(appendTwo(b, year/100), year%100), '/'), int(month))
	b = append(appendTwo(append(b, '/'), day), ' ')
	b = append(appendTwo(b, hour), ':')
	return appendTwo(append(appendTwo(b, minute), ':'), second)
}

func appendTwo(b []byte, n int) []byte { return append(b, '0'+byte(n/10), '0'+byte(n%10)) }

// date reads a date and the semicolon after it, in any of the three forms:
//
//	0 2026/11/22 12:08:30;           the day of the week is not looked at
//	0 2026/11/22 12:08:30 -3600;     a number of seconds that is added, as ISC does
//	epoch 1795349310; # Sun Nov 22 12:08:30 2026
//	never;
//
// 1970/01/01 00:00:00 is the zero time, "never said".
func (x *lexer) date() (time.Time, error) {
	first, err := x.expect(kindWord)
	if err != nil {
		return time.Time{}, err
	}
	switch string(first.text) {
	case "never":
		_, err := x.expect(';')
		return lease.Never, err
	case "epoch":
		n, err := x.number()
		if err != nil {
			return time.Time{}, err
		}
		if _, err := x.expect(';'); err != nil {
			return time.Time{}, err
		}
		return ledgerTime(n)
	}
	if _, err := parseNumber(first.text); err != nil {
		return time.Time{}, err
	}
	day, err := x.expect(kindWord)
	if err != nil {
		return time.Time{}, err
	}
	clock, err := x.expect(kindWord)
	if err != nil {
		return time.Time{}, err
	}
	d, ok := parseThree(day.text, '/')
	c, ok2 := parseThree(clock.text, ':')
	if d[0] < 1900 {
		d[0] += 1900 // as ISC reads the year 98
	}
	if !ok || !ok2 || d[0] > 9999 || d[1] < 1 || d[1] > 12 || d[2] < 1 || d[2] > 31 || c[0] > 23 || c[1] > 59 || c[2] > 60 {
		return time.Time{}, fmt.Errorf("%.20q is not a date and time", fmt.Sprintf("%s %s", day.text, clock.text))
	}
	var shift int64
	end, err := x.next()
	if err == nil && end.kind == kindWord {
		if shift, err = parseNumber(end.text); err == nil {
			end, err = x.next()
		}
	}
	switch {
	case err != nil:
		return time.Time{}, err
	case end.kind != ';':
		return time.Time{}, fmt.Errorf("';' should stand where %v stands", end)
	case d[0] >= endOfDates.Year():
		return lease.Never, nil
	}
	return ledgerTime(time.Date(d[0], time.Month(d[1]), d[2], c[0], c[1], c[2], 0, time.UTC).Unix() + shift)
}

// ledgerTime is secs after 1970 as the ledger keeps it; what ISC cannot tell from "never" is that.
func ledgerTime(secs int64) (time.Time, error) {
	switch {
	case secs < 0:
		return time.Time{}, fmt.Errorf("a time %d s before 1970", -secs)
	case secs > lease.Never.Unix():
		return lease.Never, nil
	}
	return lease.FromUnix(secs), nil
}

// parseThree reads three numbers with sep between them.
func parseThree(b []byte, sep byte) (n [3]int, ok bool) {
	part, digits := 0, 0
	for _, c := range b {
		switch {
		case c == sep && digits > 0 && part < 2:
			part, digits = part+1, 0
		case '0' <= c && c <= '9' && digits < 4:
			n[part] = n[part]*10 + int(c-'0')
			digits++
		default:
			return n, false
		}
	}
	return n, part == 2 && digits > 0
}

// number reads a whole number, with a sign or without.
func (x *lexer) number() (int64, error) {
	t, err := x.expect(kindWord)
	if err != nil {
		return 0, err
	}
	return parseNumber(t.text)
}

func parseNumber(b []byte) (n int64, err error) {
	digits := b
	if len(digits) > 1 && (digits[0] == '-' || digits[0] == '+') {
		digits = digits[1:]
	}
	if len(digits) == 0 || len(digits) > 15 {
		return 0, fmt.Errorf("%.20q is not a number", b)
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("%.20q is not a number", b)
		}
		n = n*10 + int64(c-'0')
	}
	if b[0] == '-' {
		n = -n
	}
	return n, nil
}
