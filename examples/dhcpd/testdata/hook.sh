#!/bin/sh
# The script of the real clients (dhclient, udhcpc, dhcpcd) in the laboratory. It sets the address for those which leave
# that to their script, then tells the test what the client was given: one line of NAME=VALUE, with tabs between.
# LAB_CLIENT is the client's name, LAB_EVENTS the pipe to the test. Nothing outside the client's namespace is changed.

if [ "$LAB_CLIENT" = udhcpc ]; then
	reason=$(echo "$1" | tr a-z A-Z)
	new_ip_address=$ip new_subnet_mask=$subnet new_routers=$router new_broadcast_address=$broadcast
	new_domain_name_servers=$dns new_domain_search=$search new_dhcp_lease_time=$lease new_dhcp_server_identifier=$serverid
fi

if [ "$LAB_CLIENT" != dhcpcd ]; then # which sets the address itself
	case $reason in
	PREINIT)
		ip link set "$interface" up
		ip -4 addr flush dev "$interface"
		;;
	BOUND | RENEW | REBIND | REBOOT)
		if [ "$new_ip_address" != "$old_ip_address" ] || [ "$reason" = REBOOT ]; then
			ip -4 addr flush dev "$interface"
			ip addr add "$new_ip_address/$new_subnet_mask" dev "$interface"
		fi
		;;
	EXPIRE | FAIL | RELEASE | STOP | DECONFIG | NAK)
		ip -4 addr flush dev "$interface"
		;;
	esac
fi

printf 'reason=%s\taddress=%s\tmask=%s\trouter=%s\tbroadcast=%s\tdns=%s\tsearch=%s\tlease=%s\tserver=%s\n' \
	"$reason" "$new_ip_address" "$new_subnet_mask" "$new_routers" "$new_broadcast_address" \
	"$new_domain_name_servers" "$new_domain_search" "$new_dhcp_lease_time" "$new_dhcp_server_identifier" >"$LAB_EVENTS"
