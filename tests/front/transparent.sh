#!/bin/sh
# Runs in a network namespace of its own: nginx on port 8080, the rules of deploy/transparent, and a recorder as another user.
#   transparent.sh REENACT FOLDER
set -eu
reenact=$1
folder=$2
export APP_PORT=8080 RECORDER_PORT=15080 RECORDER_UID=65534
ip link set lo up
sh deploy/transparent/redirect.sh add
cat > "$folder/nginx.conf" << CONF
daemon off; master_process off; pid $folder/nginx.pid; error_log stderr notice; events {}
http { access_log off; client_body_temp_path $folder/b; proxy_temp_path $folder/p; fastcgi_temp_path $folder/f;
uwsgi_temp_path $folder/u; scgi_temp_path $folder/s;
server { listen 127.0.0.1:8080; location / { return 200 'from \$remote_port\n'; } } }
CONF
nginx -e stderr -c "$folder/nginx.conf" > /dev/null 2>&1 &
nginx=$!
setpriv --reuid=65534 --regid=65534 --clear-groups "$reenact" record --transparent --listen 127.0.0.1:15080 \
    --out "$folder/out/session" --json > "$folder/summary.json" 2> "$folder/err" &
recorder=$!
curl --silent --show-error --retry 50 --retry-delay 1 --retry-all-errors --max-time 20 http://127.0.0.1:8080/redirected > "$folder/page"
# Straight to the recorder: nothing redirected it, so it leads nowhere.
curl --silent --max-time 5 http://127.0.0.1:15080/direct && exit 1
kill -TERM $recorder
wait $recorder
kill $nginx
