#!/bin/sh
# gen-registry.sh ROLE DIR NAME...: prints the C file that lists the Robots DIR/NAME.c of a role, or of ALL.
set -eu
role=$1 dir=$2
shift 2
wanted=
for name; do
    is=$(sed -n 's/^.*\.role = ROLE_\([A-Z]*\)\b.*/\1/p' "$dir/$name.c")
    case $is in
        *[!A-Z]*) echo "$dir/$name.c: more than one record says .role = ROLE_..." >&2; exit 1 ;;
        '') echo "$dir/$name.c: no record says .role = ROLE_..." >&2; exit 1 ;;
    esac
    also=$(sed -n 's/^.*\.instead = {ROLE_\([A-Z]*\),.*/\1/p' "$dir/$name.c")
    if [ "$role" = ALL ] || [ "$role" = "$is" ] || [ "$role" = "$also" ]; then
        wanted="$wanted $(echo "$name" | tr / _)"
    fi
done
echo '#include "robot/robot.h"'
for r in $wanted; do echo "extern const struct robot robot_$r;"; done
echo 'const struct robot *const robot_table[] = {'
for r in $wanted; do echo "    &robot_$r,"; done
echo '    NULL,'
echo '};'
