// Package dhcp4 is the door to DHCPv4 clients: messages as they go over the wire, and the loop of a server around a
// handler that answers them.
//
// A server is a [Handler]: it gets a [Request], returns the one answer, and nil is silence.
//
//	hello := dhcp4.HandlerFunc(func(ctx context.Context, req *dhcp4.Request) (*dhcp4.Message, error) {
//		if req.MessageType() != dhcp4.MessageTypeInform {
//			return nil, nil
//		}
//		ack := req.NewReply(&req.Reply, dhcp4.MessageTypeAck)
//		ack.SetServerIdentifier(req.Local)
//		ack.SetText(dhcp4.OptionDomainName, "example.org")
//		return ack, nil
//	})
//	conn, err := dhcp4.ListenUDP(dhcp4.UDPConfig{})
//	if err != nil {
//		return err
//	}
//	return (&dhcp4.Server{Handler: hello}).Serve(ctx, conn)
//
// # Messages
//
// A [Message] is a view of a datagram, or is built option by option. Options are joined when they came in parts (RFC
// 3396) and found wherever they stood (RFC 2132 option 52); on the way out they are ordered, split, and moved to the file
// and sname fields when the client takes no more. Decoding is as tolerant as ISC dhcpd 4.4 is; what it refuses, it refuses
// with an [*OptionError] that names option and octet. Neither way panics, whatever the input. A Message that is used again
// allocates nothing.
//
// [DestinationOf] is RFC 2131 4.1: where an answer goes.
//
// Names of fields, options and message types are those of github.com/insomniacslk/dhcp/dhcpv4. [FromV4] and
// [Message.ToV4] convert to and from its packets, and [V4Handler] runs a handler that is written on them.
//
// # Serving
//
// A [Server] reads from one or more [Conn], the UDP sockets of [ListenUDP] or what package l2 opens, has many requests
// answered at once, and bounds how many. [Chain] wraps its handler in [Middleware]. A handler that need not be waited for
// while a lease becomes durable is a [Starter]: what has been read together is started together, one disk write serves all
// of it, and the answers leave together.
//
// A Message must not be used by several goroutines while one of them changes it. Server, Handler and Conn say for
// themselves what may be called at once.
package dhcp4
