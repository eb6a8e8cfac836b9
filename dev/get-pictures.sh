#!/bin/sh
# dev/get-pictures.sh DIR: real photographs from Debian's python3-skimage package, which is fetched and unpacked,
# not installed. Does nothing when they are there.
set -eu
dir=${1:?usage: dev/get-pictures.sh DIR}
[ -f "$dir/astronaut.png" ] && exit 0
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
chmod 755 .
apt-get download -qq python3-skimage 2>/dev/null || {
    if [ "$(id -u)" = 0 ]; then apt-get update -qq; else sudo apt-get update -qq; fi
    apt-get download -qq python3-skimage
}
dpkg-deb -x python3-skimage*.deb x
find x -path '*skimage/data/*' \( -name '*.png' -o -name '*.jpg' \) -exec cp {} "$dir" \;
[ -f "$dir/astronaut.png" ] || { echo "get-pictures: the package holds no astronaut.png" >&2; exit 1; }
