package l2_test

import (
	"context"
	"fmt"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/dhcp4/l2"
)

// A Conn without a name of an interface is refused before anything is opened, so this needs no root.
func ExampleListen() {
	handler := dhcp4.HandlerFunc(func(ctx context.Context, req *dhcp4.Request) (*dhcp4.Message, error) {
		return req.NewReply(&req.Reply, dhcp4.MessageTypeOffer), nil
	})
	conn, err := l2.Listen(l2.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := dhcp4.Server{Handler: handler}
	fmt.Println(server.Serve(context.Background(), conn))
	// Output: l2: Config.Interfaces has 0 names: want 1 to 1024
}
