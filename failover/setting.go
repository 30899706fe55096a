package failover

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Setting is something that the configurations of both partners should say alike, and how this one's says it: short text,
// for people.
type Setting struct{ Name, Value string }

// Difference is a Setting that the two partners do not have alike. A value is "" where there is no such setting.
type Difference struct {
	Name         string
	Here, AtPeer string
}

// String returns `lease time: "60" here, "90" at the peer`.
func (d Difference) String() string {
	say := func(v, where string) string {
		if v == "" {
			return "none " + where
		}
		return strconv.Quote(v) + " " + where
	}
	name := d.Name
	if q := strconv.Quote(name); len(q) > len(name)+2 {
		name = q // the peer may call it anything
	}
	return name + ": " + say(d.Here, "here") + ", " + say(d.AtPeer, "at the peer")
}

// Between two Tandems the first STATE of a connection holds the settings of the sender, as option
// vendor-specific-options (29): for each a sub-option, code(2) length(2), whose value is the length of the name (1), the
// name and the value.
const (
	subOptionSetting = 1
	maxSettingName   = 96   // octets; of a longer one the end is cut
	maxSettingValue  = 96   // octets; a longer one is told by its hash
	maxSettings      = 1400 // octets of all together, so that they fit into a message; what comes after is told by one hash
)

// restName names the settings for which there was no room.
const restName = "all further settings"

// settings are what the partner is told of c, by name: of each pool the ranges, the load balance, and what c.Shared has.
// Those of one name are one.
func (c Config) settings() []Setting {
	all := map[string][]string{"load balance max seconds": {strconv.Itoa(int(c.MaxSecs))}}
	add := func(name, value string) { all[name] = append(all[name], value) }
	for _, p := range c.Pools {
		for _, r := range p.Ranges() {
			add("ranges of "+p.Name(), r.First.String()+"-"+r.Last.String())
		}
		add("addresses of "+p.Name(), strconv.Itoa(p.Size()))
	}
	for _, s := range c.Shared {
		add(s.Name, s.Value)
	}
	var list []Setting
	for _, name := range slices.Sorted(maps.Keys(all)) {
		slices.Sort(all[name])
		list = append(list, Setting{name, strings.Join(all[name], " ")}.short())
	}
	return list
}

// short is s in few octets, and with a value.
func (s Setting) short() Setting {
	if len(s.Name) > maxSettingName {
		s.Name = s.Name[:maxSettingName]
	}
	switch {
	case s.Value == "":
		s.Value = "-"
	case len(s.Value) > maxSettingValue:
		sum := sha256.Sum256([]byte(s.Value))
		s.Value = fmt.Sprintf("%d octets, hash %x", len(s.Value), sum[:8])
	}
	return s
}

// bounded is the list, where it is too long with one setting for its end.
func bounded(list []Setting) []Setting {
	size := func(s Setting) int { return 5 + len(s.Name) + len(s.Value) }
	room := maxSettings
	for i, s := range list {
		if room -= size(s); room >= 0 {
			continue
		}
		for room += size(s); i > 0 && room < 5+len(restName)+maxSettingValue; i-- {
			room += size(list[i-1])
		}
		var rest strings.Builder
		for _, s := range list[i:] {
			fmt.Fprintf(&rest, "%q %q\n", s.Name, s.Value)
		}
		sum := sha256.Sum256([]byte(rest.String()))
		return append(slices.Clip(list[:i]), Setting{restName, fmt.Sprintf("%d, hash %x", len(list)-i, sum[:8])})
	}
	return list
}

// encodeSettings returns the list as vendor-specific-options.
func encodeSettings(list []Setting) string {
	var b []byte
	for _, s := range list {
		b = binary.BigEndian.AppendUint16(b, subOptionSetting)
		b = binary.BigEndian.AppendUint16(b, uint16(1+len(s.Name)+len(s.Value)))
		b = append(append(append(b, byte(len(s.Name))), s.Name...), s.Value...)
	}
	return string(b)
}

// errVendorOptions says that the vendor-specific-options of another Tandem are not what they should be.
var errVendorOptions = errors.New("malformed vendor-specific-options")

// decodeSettings returns the settings in vendor-specific-options, none if there are none. Other sub-options are skipped.
func decodeSettings(s string) ([]Setting, error) {
	var list []Setting
	for s != "" {
		if len(s) < optionStart {
			return nil, errVendorOptions
		}
		code, n := binary.BigEndian.Uint16([]byte(s)), int(binary.BigEndian.Uint16([]byte(s[2:])))
		if s = s[optionStart:]; n > len(s) {
			return nil, errVendorOptions
		}
		value := s[:n]
		s = s[n:]
		if code != subOptionSetting {
			continue
		}
		if n == 0 || 1+int(value[0]) > n {
			return nil, errVendorOptions
		}
		name := value[1 : 1+int(value[0])]
		list = append(list, Setting{name, value[1+len(name):]})
	}
	return list, nil
}

// compare returns in what two lists differ, by name.
func compare(here, peer []Setting) []Difference {
	all := make(map[string]Difference)
	for _, s := range here {
		all[s.Name] = Difference{Name: s.Name, Here: s.Value}
	}
	for _, s := range peer {
		d := all[s.Name]
		d.Name, d.AtPeer = s.Name, s.Value
		all[s.Name] = d
	}
	var list []Difference
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if d := all[name]; d.Here != d.AtPeer {
			list = append(list, d)
		}
	}
	return list
}

// introduce sends the first STATE of a connection, with the settings if the partner knows what to do with them.
func (m *Machine) introduce(now time.Time) {
	m.report(now)
	if m.cfg.NoConfigDigest || m.partnerIsISC() {
		return
	}
	m.out.Send[len(m.out.Send)-1].Vendor = encodeSettings(m.settings)
}

// vendor takes in what another Tandem tells of its configuration. It changes nothing: a difference is for people.
func (m *Machine) vendor(f *Frame) {
	if f.Vendor == "" || m.cfg.NoConfigDigest || m.partnerIsISC() {
		return
	}
	peer, err := decodeSettings(f.Vendor)
	if err != nil {
		m.note(Debug, "%v: %v", f.Body.Type(), err)
		return
	}
	if len(peer) == 0 {
		return
	}
	all := compare(m.settings, peer)
	if len(all) == 0 {
		m.note(Debug, "the peer's configuration is as ours")
		return
	}
	var texts []string
	for _, d := range all {
		texts = append(texts, d.String())
	}
	m.note(Warn, "the peer's configuration differs: %s", strings.Join(texts, "; "))
	m.out.Differences = append(m.out.Differences, all...)
}
