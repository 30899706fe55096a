#!/bin/sh
# The swap: a pair of ISC dhcpd serves 100 clients; one node at a time, Tandem takes its place on its dhcpd.conf and
# dhcpd.leases, and then ISC comes back in the same way. What happens is shown second by second, and summed up.
#
#	sudo ./swap.sh                    the secondary first
#	sudo ./swap.sh --primary-first    the primary first
#
# It is the test TestSwap of this folder. All of it happens in network namespaces, which are gone at the end. The lease
# files, logs and the capture are kept in a folder that the environment variable TANDEM_LAB_DIR names.
set -eu

test=TestSwap
case "${1-}" in
'') ;;
--primary-first) test=TestSwapPrimaryFirst ;;
*)
	sed -n '2,/^$/s/^#[	 ]\{0,1\}//p' "$0" >&2 || true
	exit 2
	;;
esac

PATH=$PATH:/usr/local/go/bin:/usr/sbin:/sbin
lacks=
[ "$(id -u)" = 0 ] || lacks=" root"
[ -d /usr/local/etc ] || lacks="$lacks /usr/local/etc"
# Each tool, and the package of Debian that has it.
for tool in go:golang ip:iproute2 bridge:iproute2 unshare:util-linux mount:mount tcpdump:tcpdump tshark:tshark dhcpd:isc-dhcp-server; do
	command -v "${tool%%:*}" >/dev/null || lacks="$lacks ${tool%%:*} (package ${tool#*:})"
done
if [ -n "$lacks" ]; then
	echo "swap.sh: this machine lacks:$lacks" >&2
	exit 1
fi

cd "$(dirname "$0")"
cat <<'END'
The servers' failover states, by second; clients that have an address, of those that stay, and visitors; answers of the
primary s1 and of the secondary s2 in that second; clients without an answer now, and the longest for how long; clients
that were refused, and that lost their address, so far.

END
TANDEM_REQUIRE_LAB=1
export TANDEM_REQUIRE_LAB
exec go test -count 1 -run "^$test\$" -timeout 5m -v .
