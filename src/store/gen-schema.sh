#!/bin/sh
# Prints store_migrations[]: the given SQL files as C texts, in the order given.
set -eu
echo '#include "store/schema.h"'
echo 'const char *const store_migrations[] = {'
for f in "$@"; do
    sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/.*/    "&\\n"/' "$f"
    echo '    ,'
done
echo '    0};'
