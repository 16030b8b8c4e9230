#!/bin/sh
# Redirects a pod's inbound TCP port to `reenact record --transparent`, as an init container with NET_ADMIN.
#
#   redirect.sh add    before the recorder starts
#   redirect.sh remove takes the rules out again
#
# APP_PORT       port of the application, or several with commas (at most 15)
# RECORDER_PORT  port that the recorder listens on
# RECORDER_UID   user that the recorder runs as; what it sends is not redirected, else it would meet itself
set -eu

: "${APP_PORT:?the port of the application, as in APP_PORT=8080}"
: "${RECORDER_PORT:?the port that the recorder listens on, as in RECORDER_PORT=15080}"
: "${RECORDER_UID:?the user id that the recorder runs as, as in RECORDER_UID=1337}"

rules() {
    # From other machines.
    "$1" -t nat "$2" PREROUTING -p tcp -m multiport --dports "$APP_PORT" -j REDIRECT --to-ports "$RECORDER_PORT"
    # From this pod itself, but for the recorder.
    "$1" -t nat "$2" OUTPUT -o lo -p tcp -m multiport --dports "$APP_PORT" \
        -m owner ! --uid-owner "$RECORDER_UID" -j REDIRECT --to-ports "$RECORDER_PORT"
}

# A pod without IPv6 has no ip6tables table; that alone may fail.
has_ipv6() {
    command -v ip6tables > /dev/null && ip6tables -t nat -L > /dev/null 2>&1
}

case "${1:-}" in
add) action=-A ;;
remove) action=-D ;;
*)
    echo "usage: redirect.sh add|remove" >&2
    exit 2
    ;;
esac

rules iptables "$action"
if has_ipv6; then
    rules ip6tables "$action"
fi
