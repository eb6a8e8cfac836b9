#!/bin/sh
# Photographs for the tests: usage: dev/get-pictures.sh DIR (for example build/pictures).
# They come from Debian's python3-skimage; without a network or apt nothing is fetched and the tests
# that need them are reported as skipped.
set -eu
dir=${1:?usage: dev/get-pictures.sh DIR}
mkdir -p "$dir"
[ -f "$dir/astronaut.png" ] && exit 0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
chmod 755 "$tmp"
cd "$tmp"
apt-get download python3-skimage >/dev/null
dpkg-deb -x python3-skimage_*.deb unpacked
cd - >/dev/null
cp "$tmp"/unpacked/usr/lib/python3/dist-packages/skimage/data/*.png \
   "$tmp"/unpacked/usr/lib/python3/dist-packages/skimage/data/*.jpg "$dir"
