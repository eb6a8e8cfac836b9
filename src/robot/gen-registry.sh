#!/bin/sh
# Prints the C file that lists the Robots named on the command line.
echo '#include "robot/robot.h"'
for r; do echo "extern const struct robot robot_$r;"; done
echo 'const struct robot *const robot_table[] = {'
for r; do echo "    &robot_$r,"; done
echo '    NULL,'
echo '};'
