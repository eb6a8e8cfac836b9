#!/bin/sh
# gen-prelude.sh FILE.js: the file as one C text.
set -eu
sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/.*/    "&\\n"/' "$1"
