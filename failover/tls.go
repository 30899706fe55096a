package failover

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

// TLS is a Transport between two Tandem nodes whose connections are TLS 1.3 from the first octet, with a certificate on
// each side. Both partners must use it: one that does is not spoken with by one that does not, an ISC dhcpd among them,
// and both logs say why.
//
// The draft's own way (11.2) is another: CONNECT in clear asks for TLS, CONNECTACK agrees, and after the handshake comes
// a second CONNECT. Nobody speaks it, it wants ciphers that are broken, shows what it should hide, and whoever sits
// between may answer that there is no TLS.
type TLS struct {
	Transport Transport // below the TLS; usually a TCP
	// Config says who this server is and whom it believes, as the server of a connection and as its client:
	//
	//   - Certificates, or GetCertificate and GetClientCertificate, are this server's own. They must be for both uses.
	//   - RootCAs are the authorities for the partner's certificate; ClientCAs the same where the partner is the client,
	//     RootCAs if nil.
	//   - ServerName is the name, or the address, that the partner's certificate must have, whichever side it is.
	//
	// The rest may be as it is, but for what Validate says. It is not changed, and must not be by anyone.
	Config *tls.Config
}

// protocolTLS keeps a certificate that is also good for something else from being used here by mistake (RFC 7301).
const protocolTLS = "tandem-failover/1"

var (
	errNoTLS     = errors.New("peer does not speak TLS")
	errSpeaksTLS = errors.New("peer speaks TLS, which is not configured here")
)

// Validate returns an error that names the first field which cannot be, or nil. It refuses whatever would leave the
// partner unverified.
func (t TLS) Validate() error {
	bad := func(field string, value any, want string) error {
		return fmt.Errorf("failover: TLS.%s is %v: %s", field, value, want)
	}
	c := t.Config
	switch {
	case t.Transport == nil:
		return bad("Transport", nil, "want one to run TLS over, such as a TCP")
	case c == nil:
		return bad("Config", nil, "want one with certificates")
	case len(c.Certificates) == 0 && (c.GetCertificate == nil || c.GetClientCertificate == nil):
		return bad("Config.Certificates", "empty", "each partner shows one")
	case c.InsecureSkipVerify:
		return bad("Config.InsecureSkipVerify", true, "the partner must be verified")
	case c.RootCAs == nil:
		return bad("Config.RootCAs", nil, "want the authorities that the partner's certificate is from")
	case c.ServerName == "":
		return bad("Config.ServerName", `""`, "want the name in the partner's certificate")
	case c.ClientAuth != tls.NoClientCert && c.ClientAuth != tls.RequireAndVerifyClientCert:
		return bad("Config.ClientAuth", c.ClientAuth, "want RequireAndVerifyClientCert, or zero for the same")
	case c.GetConfigForClient != nil:
		return bad("Config.GetConfigForClient", "set", "there is one partner and one configuration")
	case c.MaxVersion != 0 && c.MaxVersion < tls.VersionTLS13:
		return bad("Config.MaxVersion", tls.VersionName(c.MaxVersion), "both partners know TLS 1.3")
	}
	return nil
}

// config is t.Config with what is not left to choice.
func (t TLS) config() (*tls.Config, error) {
	if err := t.Validate(); err != nil {
		return nil, err
	}
	c := t.Config.Clone()
	c.MinVersion = tls.VersionTLS13
	c.ClientAuth = tls.RequireAndVerifyClientCert
	if c.ClientCAs == nil {
		c.ClientCAs = c.RootCAs
	}
	c.NextProtos = []string{protocolTLS}
	c.SessionTicketsDisabled, c.ClientSessionCache = true, nil // connections are few, and each verifies anew
	further := c.VerifyConnection
	c.VerifyConnection = func(s tls.ConnectionState) error {
		// Of a client only the authority has been verified so far.
		if err := s.PeerCertificates[0].VerifyHostname(c.ServerName); err != nil {
			return err
		}
		if further != nil {
			return further(s)
		}
		return nil
	}
	return c, nil
}

// Listen implements Transport. The TLS handshake is not done by Accept but when the connection is first used.
func (t TLS) Listen(ctx context.Context) (net.Listener, error) {
	c, err := t.config()
	if err != nil {
		return nil, err
	}
	l, err := t.Transport.Listen(ctx)
	if err != nil {
		return nil, err
	}
	return tls.NewListener(l, c), nil
}

// Dial implements Transport. The TLS handshake is done when the connection is first used.
func (t TLS) Dial(ctx context.Context) (net.Conn, error) {
	c, err := t.config()
	if err != nil {
		return nil, err
	}
	conn, err := t.Transport.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return tls.Client(conn, c), nil
}

// startTLS does the TLS handshake, within the deadline of conn, if there is one to do.
func startTLS(ctx context.Context, conn net.Conn) error {
	t, ok := conn.(interface {
		HandshakeContext(ctx context.Context) error
	})
	if !ok {
		return nil
	}
	err := t.HandshakeContext(ctx)
	var alert tls.AlertError
	var remote *net.OpError
	var plain tls.RecordHeaderError
	var unverified *tls.CertificateVerificationError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &plain):
		return fmt.Errorf("%w: %w", errNoTLS, err)
	case errors.As(err, &unverified), errors.As(err, &alert), errors.As(err, &remote) && remote.Op == "remote error":
		return fmt.Errorf("TLS: %w", err)
	}
	// The connection ended, or nothing came: somebody who waits for us to speak, or cannot read what we said.
	return fmt.Errorf("TLS: %w, or hangs up on us: %w", errNoTLS, err)
}

// refusePlain answers a CONNECT in clear, which err says came in place of a TLS handshake, so that the partner's log says
// what is wrong, too.
func refusePlain(now time.Time, name string, err error) error {
	var plain tls.RecordHeaderError
	if !errors.As(err, &plain) || plain.Conn == nil || MessageType(plain.RecordHeader[2]) != TypeConnect {
		return nil
	}
	// What the CONNECT says, its xid too, is lost.
	b, err := refuseConnect(now, name, RejectTLSRequired, "this server speaks TLS only").MarshalBinary()
	if err != nil {
		return err
	}
	_, err = plain.Conn.Write(b)
	return err
}

// refuseTLS answers a TLS handshake in a way that the partner cannot take for TLS.
func refuseTLS(now time.Time) *Frame {
	return &Frame{Time: now, XID: 1, Body: &Disconnect{Reason: RejectTLSUnconfigured, Text: errSpeaksTLS.Error()}}
}

// isTLS reports whether b begins as a TLS handshake does (RFC 8446 5.1), which no message of ours can.
func isTLS(b []byte) bool { return len(b) >= 3 && b[0] == 22 && b[1] == 3 && b[2] <= 4 }
