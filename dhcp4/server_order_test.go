package dhcp4

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestServerKeepsTheOrderOfAClient sends several messages of each of two clients, whose handling takes the less time the
// later it came.
func TestServerKeepsTheOrderOfAClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type seen struct {
			client byte
			secs   uint16
		}
		order := make(chan seen, 100)
		r := serve(&Server{Handler: HandlerFunc(func(_ context.Context, req *Request) (*Message, error) {
			time.Sleep(time.Duration(10-req.NumSeconds) * time.Second) // of the bubble
			order <- seen{req.ClientHWAddr[5], req.NumSeconds}
			return nil, nil
		})})
		for i := range 6 {
			for client := range byte(2) {
				m := Message{OpCode: OpcodeBootRequest, HWType: HWTypeEthernet, ClientHWAddr: []byte{2, 0, 0, 0, 0, client + 1}, NumSeconds: uint16(i)}
				m.SetMessageType(MessageTypeDiscover)
				b, err := m.MarshalBinary()
				if err != nil {
					t.Fatal(err)
				}
				r.conn.arriving <- Datagram{Data: b}
			}
		}
		synctest.Wait()
		began := time.Now()
		want := map[byte]uint16{1: 0, 2: 0}
		for range 12 {
			s := <-order
			if s.secs != want[s.client] {
				t.Errorf("client %d: message %d was handled before message %d", s.client, s.secs, want[s.client])
			}
			want[s.client]++
		}
		if d := time.Since(began); d != 45*time.Second {
			t.Errorf("the two took %v, want the 45 s of one: they must not wait for each other", d)
		}
		r.finish(t)
	})
}

func TestOrderBoundsWhatWaits(t *testing.T) {
	var o order
	j := &job{client: sender{1}}
	if now, _ := o.enter(j); !now {
		t.Fatal("the first has to wait")
	}
	for i := range maxWaiting {
		if now, waits := o.enter(j); now || !waits {
			t.Fatalf("number %d: now %v, waits %v", i, now, waits)
		}
	}
	if now, waits := o.enter(j); now || waits {
		t.Errorf("one too many: now %v, waits %v", now, waits)
	}
	if now, _ := o.enter(&job{}); !now {
		t.Error("a datagram without a client has to wait")
	}
	for range maxWaiting {
		if o.leave(j.client) == nil {
			t.Fatal("one got lost")
		}
	}
	if o.leave(j.client) != nil || len(o.busy) != 0 {
		t.Error("the line does not end")
	}
}
