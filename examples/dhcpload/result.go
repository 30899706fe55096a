package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// result is what came of a load.
type result struct {
	Took     time.Duration // how long exchanges were begun
	Begun    int           // exchanges
	NotBegun int           // exchanges that were due, but too many were under way
	Sent     int           // messages, to each server one
	Unsent   int           // messages that the system did not take
	Received int           // answers
	Late     int           // answers to what was answered, or given up
	Strange  int           // answers to nothing

	DORA    histogram // from the DHCPDISCOVER to the DHCPACK
	Offer   histogram // from the DHCPDISCOVER to the DHCPOFFER
	Ack     histogram // from the DHCPREQUEST to the DHCPACK
	Renewal histogram

	NoOffer, NoAck, NoRenewal int // exchanges given up for want of an answer
	Refused                   int // exchanges that ended in a DHCPNAK

	Twice     int // addresses given to a client while another held them
	Verified  int // clients that asked again at the end, and were given their address
	Forgotten int // and were not
	Examples  []string

	inTime int // exchanges completed within Took
}

// broken reports whether a server broke its word.
func (r *result) broken() bool { return r.Twice > 0 || r.Forgotten > 0 }

func (r *result) completed() int { return int(r.DORA.n + r.Renewal.n) }

func (r *result) dropped() int { return r.NoOffer + r.NoAck + r.NoRenewal }

// rate is how many exchanges were completed each second.
func (r *result) rate() float64 {
	if r.Took <= 0 {
		return 0
	}
	return float64(r.inTime) / r.Took.Seconds()
}

// since is the line about the time d since r was before, after a load of t.
func (r *result) since(before *result, d, t time.Duration, flying int) string {
	line := fmt.Sprintf("%4.0fs %9.0f/s  %d under way  p99 %v  dropped %d  refused %d",
		t.Seconds(), float64(r.completed()-before.completed())/d.Seconds(), flying,
		r.DORA.quantile(0.99), r.dropped()-before.dropped(), r.Refused-before.Refused)
	if r.Twice > 0 {
		line += fmt.Sprintf("  GIVEN TWICE %d", r.Twice)
	}
	return line
}

func (r *result) writeText(w io.Writer) error {
	p := func(format string, args ...any) (err error) { _, err = fmt.Fprintf(w, format, args...); return err }
	err := p("%d exchanges in %.3f s: %.0f a second; %d begun, %d not begun, %d dropped (%d offers, %d acks, %d renewals), %d refused\n",
		r.completed(), r.Took.Seconds(), r.rate(), r.Begun, r.NotBegun, r.dropped(), r.NoOffer, r.NoAck, r.NoRenewal, r.Refused)
	for _, h := range r.histograms() {
		if err == nil && h.n > 0 {
			err = p("%-8s %9d  mean %-9v p50 %-9v p90 %-9v p99 %-9v p99.9 %-9v most %v\n", h.name, h.n,
				h.mean().Round(time.Microsecond), h.quantile(0.5), h.quantile(0.9), h.quantile(0.99), h.quantile(0.999), h.most.Round(time.Microsecond))
		}
	}
	if err == nil {
		err = p("sent %d (%d unsent), received %d (%d late, %d strange), verified %d\n", r.Sent, r.Unsent, r.Received, r.Late, r.Strange, r.Verified)
	}
	if err == nil && r.broken() {
		err = p("BROKEN: %d addresses given twice, %d leases forgotten\n", r.Twice, r.Forgotten)
	}
	for _, e := range r.Examples {
		if err == nil {
			err = p("  %s\n", e)
		}
	}
	return err
}

type named struct {
	name string
	*histogram
}

func (r *result) histograms() []named {
	return []named{{"dora", &r.DORA}, {"offer", &r.Offer}, {"ack", &r.Ack}, {"renewal", &r.Renewal}}
}

// latency is a histogram as JSON has it: times in milliseconds.
type latency struct {
	Count  uint64  `json:"count"`
	MeanMS float64 `json:"mean_ms"`
	P50MS  float64 `json:"p50_ms"`
	P90MS  float64 `json:"p90_ms"`
	P99MS  float64 `json:"p99_ms"`
	P999MS float64 `json:"p999_ms"`
	MostMS float64 `json:"most_ms"`
}

// report is a result as JSON has it.
type report struct {
	Seconds   float64            `json:"seconds"`
	Rate      float64            `json:"rate"`
	Completed int                `json:"completed"`
	Begun     int                `json:"begun"`
	NotBegun  int                `json:"not_begun"`
	NoOffer   int                `json:"no_offer"`
	NoAck     int                `json:"no_ack"`
	NoRenewal int                `json:"no_renewal"`
	Refused   int                `json:"refused"`
	Sent      int                `json:"sent"`
	Unsent    int                `json:"unsent"`
	Received  int                `json:"received"`
	Late      int                `json:"late"`
	Strange   int                `json:"strange"`
	Verified  int                `json:"verified"`
	Twice     int                `json:"given_twice"`
	Forgotten int                `json:"forgotten"`
	Examples  []string           `json:"examples,omitempty"`
	Latency   map[string]latency `json:"latency"`
}

func (r *result) writeJSON(w io.Writer) error {
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	out := report{
		Seconds: r.Took.Seconds(), Rate: r.rate(), Completed: r.completed(), Begun: r.Begun, NotBegun: r.NotBegun,
		NoOffer: r.NoOffer, NoAck: r.NoAck, NoRenewal: r.NoRenewal, Refused: r.Refused,
		Sent: r.Sent, Unsent: r.Unsent, Received: r.Received, Late: r.Late, Strange: r.Strange,
		Verified: r.Verified, Twice: r.Twice, Forgotten: r.Forgotten, Examples: r.Examples,
		Latency: make(map[string]latency),
	}
	for _, h := range r.histograms() {
		if h.n > 0 {
			out.Latency[h.name] = latency{
				Count: h.n, MeanMS: ms(h.mean()), P50MS: ms(h.quantile(0.5)), P90MS: ms(h.quantile(0.9)),
				P99MS: ms(h.quantile(0.99)), P999MS: ms(h.quantile(0.999)), MostMS: ms(h.most),
			}
		}
	}
	return json.NewEncoder(w).Encode(out)
}
