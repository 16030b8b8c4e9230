#!/bin/sh
# Runs in a network namespace of its own: a recorder whose upstream's address becomes one of this machine after the start.
#   loop.sh REENACT FOLDER
set -eu
reenact=$1
folder=$2
ip link set lo up
"$reenact" record --listen 0.0.0.0:8080 --upstream http://192.0.2.1:8080 --capture off \
    --json > "$folder/summary.json" 2> "$folder/err" &
recorder=$!
until grep -q 'listening on' "$folder/err"; do kill -0 $recorder; done
ip address add 192.0.2.1/32 dev lo
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    curl --silent --max-time 5 http://127.0.0.1:8080/ && exit 1
    # Closed at once, not after curl's patience.
    curl --silent --max-time 5 http://127.0.0.1:8080/ || [ $? -ne 28 ]
done
kill -TERM $recorder
wait $recorder
