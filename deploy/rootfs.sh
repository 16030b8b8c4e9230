#!/bin/sh
# Makes the root tree of the recorder's image around a binary: `rootfs.sh BINARY DIRECTORY`.
# The Containerfile runs it; by hand it makes a tree for chroot, systemd's RootDirectory= or `--target prebuilt`.
set -eu

if [ $# -ne 2 ]; then
    echo "usage: rootfs.sh BINARY DIRECTORY" >&2
    exit 2
fi
binary=$1 root=$2

# A binary that needs a dynamic linker would not start in a tree that has none.
if ! "$binary" --version > /dev/null; then
    echo "rootfs.sh: $binary does not run" >&2
    exit 1
fi
if readelf --program-headers "$binary" | grep -q INTERP; then
    echo "rootfs.sh: $binary is linked dynamically; build it for a musl target, see deploy/README.md" >&2
    exit 1
fi

install -d "$root/etc"
install -D -m 0755 "$binary" "$root/usr/bin/reenact"
strip "$root/usr/bin/reenact"
# For `--upstream https://…`; without them it needs --upstream-ca.
if [ -e /etc/ssl/certs/ca-certificates.crt ]; then
    install -D -m 0644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
fi
# The user of the image has a name, for tools that look for one. Any other user works as well.
printf 'reenact:x:65532:65532:reenact:/:/sbin/nologin\n' > "$root/etc/passwd"
printf 'reenact:x:65532:\n' > "$root/etc/group"
# Where sessions go: a volume is mounted here. Where there is none, anybody may write, as in /tmp.
install -d -m 1777 "$root/sessions"
