package failover

import "strconv"

// RejectReason says why a server refuses a connection or a binding update (option reject-reason, draft section
// 12.21). It is an error, so that errors.Is(err, failover.RejectOutdated) works. The zero RejectReason is no refusal;
// on the wire it is reserved.
type RejectReason uint8

// The reasons of the draft's section 12.21.
const (
	RejectIllegalAddress      RejectReason = 1   // the address is in no pool of the endpoint
	RejectFatalConflict       RejectReason = 2   // the address is in use by another client
	RejectMissingBinding      RejectReason = 3   // the update lacks what it must say
	RejectTimeMismatch        RejectReason = 4   // the clocks are too far apart
	RejectInvalidMCLT         RejectReason = 5   // CONNECT has no MCLT, or one that will not do
	RejectUnspecified         RejectReason = 6   // "unknown reason"; ISC dhcpd's for all that has no number
	RejectDuplicateConnection RejectReason = 7   // there is a connection already
	RejectInvalidPartner      RejectReason = 8   // no relationship of that name
	RejectTLSUnsupported      RejectReason = 9   // TLS is wanted and not supported
	RejectTLSUnconfigured     RejectReason = 10  // TLS is supported but not configured
	RejectTLSRequired         RejectReason = 11  // TLS is required and not supported by the partner
	RejectDigestUnsupported   RejectReason = 12  // message digests are not supported
	RejectDigestUnconfigured  RejectReason = 13  // message digests are not configured
	RejectVersion             RejectReason = 14  // the protocol versions differ
	RejectOutdated            RejectReason = 15  // what we hold of the binding is newer
	RejectLessCritical        RejectReason = 16  // our own update of the binding, under way, matters more
	RejectNoTraffic           RejectReason = 17  // nothing was heard for the receive-timer
	RejectHashBucket          RejectReason = 18  // the hash bucket assignments do not fit
	RejectNotReserved         RejectReason = 19  // the address is not reserved on this server
	RejectDigestMismatch      RejectReason = 20  // the message digest is wrong
	RejectDigestMissing       RejectReason = 21  // a message digest is required
	RejectUnknown             RejectReason = 254 // no other reason fits
)

// reasons are the texts of the draft, in short.
var reasons = [...]string{
	RejectIllegalAddress:      "illegal IP address",
	RejectFatalConflict:       "fatal conflict",
	RejectMissingBinding:      "missing binding information",
	RejectTimeMismatch:        "time mismatch too great",
	RejectInvalidMCLT:         "invalid MCLT",
	RejectUnspecified:         "unknown reason",
	RejectDuplicateConnection: "duplicate connection",
	RejectInvalidPartner:      "invalid failover partner",
	RejectTLSUnsupported:      "TLS not supported",
	RejectTLSUnconfigured:     "TLS supported but not configured",
	RejectTLSRequired:         "TLS required but not supported by partner",
	RejectDigestUnsupported:   "message digest not supported",
	RejectDigestUnconfigured:  "message digest not configured",
	RejectVersion:             "protocol version mismatch",
	RejectOutdated:            "outdated binding information",
	RejectLessCritical:        "less critical binding information",
	RejectNoTraffic:           "no traffic within sufficient time",
	RejectHashBucket:          "hash bucket assignment conflict",
	RejectNotReserved:         "IP not reserved on this server",
	RejectDigestMismatch:      "message digest failed to compare",
	RejectDigestMissing:       "missing message digest",
}

// String returns the reason in words, or "RejectReason(99)" for what has none.
func (r RejectReason) String() string {
	if int(r) < len(reasons) && reasons[r] != "" {
		return reasons[r]
	}
	if r == RejectUnknown {
		return "unknown"
	}
	return "RejectReason(" + strconv.Itoa(int(r)) + ")"
}

// Error returns String after "failover: rejected: ".
func (r RejectReason) Error() string { return "failover: rejected: " + r.String() }
