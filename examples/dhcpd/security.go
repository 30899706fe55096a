package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/tandem-dhcp/tandem/failover"
)

// perPeer is a flag that may come several times: NAME=VALUE for the relationship of that name, VALUE for all others.
type perPeer struct {
	flag   string
	values map[string]string // by name; "" is for all others
}

// String implements flag.Value.
func (p *perPeer) String() string { return "" }

// Set implements flag.Value. A second value for the same relationship is an error.
func (p *perPeer) Set(s string) error {
	name, value, named := strings.Cut(s, "=")
	if !named {
		name, value = "", s
	}
	switch _, twice := p.values[name]; {
	case value == "" || named && name == "":
		return errors.New("want VALUE, or NAME=VALUE for the failover peer NAME")
	case twice && named:
		return fmt.Errorf("given twice for failover peer %s", name)
	case twice:
		return errors.New("given twice for all failover peers")
	}
	if p.values == nil {
		p.values = make(map[string]string)
	}
	p.values[name] = value
	return nil
}

// of returns the value for a relationship, or "".
func (p *perPeer) of(name string) string {
	if v, ok := p.values[name]; ok {
		return v
	}
	return p.values[""]
}

// check returns an error for each name that is of no relationship.
func (p *perPeer) check(peers []failover.Config) error {
	var all []error
	for name := range p.values {
		known := name == ""
		for _, f := range peers {
			known = known || f.Name == name
		}
		if !known {
			all = append(all, fmt.Errorf("-%s %s=%s: the configuration has no failover peer %s", p.flag, name, p.values[name], name))
		}
	}
	return errors.Join(all...)
}

// maxSecretFile is how large a file with a secret may be, in octets.
const maxSecretFile = 4096

// secret reads the secret of a relationship: the octets of the file, without the end of its last line. It returns nil if
// there is none.
func (o *options) secretOf(name string) (failover.Secret, error) {
	file := o.secret.of(name)
	if file == "" {
		return nil, nil
	}
	bad := func(err error) error { return fmt.Errorf("-failover-secret: failover peer %s: %w", name, err) }
	info, err := os.Stat(file)
	if err != nil {
		return nil, bad(err)
	}
	if info.Mode().IsRegular() && info.Mode().Perm()&0o007 != 0 {
		return nil, bad(fmt.Errorf("%s: everybody may read or write it (mode %v)", file, info.Mode().Perm()))
	}
	if info.Size() > maxSecretFile {
		return nil, bad(fmt.Errorf("%s: %d octets, want at most %d", file, info.Size(), maxSecretFile))
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, bad(err)
	}
	b = bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
	if len(b) < minSecretFile {
		return nil, bad(fmt.Errorf("%s: %d octets, want at least %d", file, len(b), minSecretFile))
	}
	return b, nil
}

// minSecretFile is the least that failover.Config.Secret may have, in octets.
const minSecretFile = 16

// tlsFiles are what TLS of one relationship needs. They are comparable: relationships that share a connection's address
// must have the same.
type tlsFiles struct{ cert, key, ca, name string }

// tlsOf returns the files of a relationship, zero if it has no TLS.
func (o *options) tlsOf(f failover.Config) (tlsFiles, error) {
	t := tlsFiles{o.cert.of(f.Name), o.key.of(f.Name), o.ca.of(f.Name), o.tlsName.of(f.Name)}
	if t.cert == "" && t.key == "" && t.ca == "" && t.name == "" {
		return t, nil
	}
	for _, need := range []struct{ flag, value string }{{o.cert.flag, t.cert}, {o.key.flag, t.key}, {o.ca.flag, t.ca}} {
		if need.value == "" {
			return t, fmt.Errorf("failover peer %s: TLS needs -%s, -%s and -%s: there is no -%s", f.Name, o.cert.flag, o.key.flag, o.ca.flag, need.flag)
		}
	}
	if t.name == "" {
		t.name = f.Partner.Addr().String()
	}
	return t, nil
}

// config reads the files.
func (t tlsFiles) config(peer string, o *options) (*tls.Config, error) {
	bad := func(flag, file string, err error) error {
		return fmt.Errorf("-%s: failover peer %s: %s: %w", flag, peer, file, err)
	}
	ca, err := os.ReadFile(t.ca)
	if err != nil {
		return nil, bad(o.ca.flag, t.ca, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, bad(o.ca.flag, t.ca, errors.New("no certificate in it (PEM)"))
	}
	for _, f := range []struct{ flag, file string }{{o.cert.flag, t.cert}, {o.key.flag, t.key}} {
		if _, err := os.Stat(f.file); err != nil {
			return nil, bad(f.flag, f.file, err)
		}
	}
	pair, err := tls.LoadX509KeyPair(t.cert, t.key)
	if err != nil {
		return nil, bad(o.cert.flag, t.cert+" with -"+o.key.flag+" "+t.key, err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots, ServerName: t.name}, nil
}
