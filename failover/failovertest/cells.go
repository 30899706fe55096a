package failovertest

import (
	"fmt"

	"github.com/tandem-dhcp/tandem/failover"
	"github.com/tandem-dhcp/tandem/lease"
)

// Cell is an event that reaches a server of a role in a state: a cell of the table that a Machine is.
type Cell struct {
	Role  failover.Role
	State failover.State
	Event string // "tick", "STATE recover", "grant", "order pause" ...
}

// String returns "secondary, normal: STATE recover".
func (c Cell) String() string { return fmt.Sprintf("%v, %v: %s", c.Role, c.State, c.Event) }

// visit counts the cell.
func (m *Model) visit(s *server, ev failover.Event) {
	m.report.Cells[Cell{s.cfg.Role, s.machine.State(), eventName(ev)}]++
}

// eventName tells events apart as far as a Machine does.
func eventName(ev failover.Event) string {
	switch ev := ev.(type) {
	case failover.Started:
		return "started"
	case failover.Tick:
		return "tick"
	case failover.Connected:
		return "connected"
	case failover.Disconnected:
		return "disconnected"
	case failover.Received:
		if r, ok := ev.Frame.Body.(*failover.StateReport); ok {
			return "STATE " + r.State.String()
		}
		return ev.Frame.Body.Type().String()
	case failover.Changed:
		switch ev.Change.New.Status {
		case lease.Active:
			if ev.Change.Old.Status == lease.Active {
				return "renewal"
			}
			return "grant"
		case lease.Released:
			return "release"
		}
		return "decline"
	case failover.Order:
		return "order " + ev.Kind.String()
	}
	return fmt.Sprintf("%T", ev)
}
