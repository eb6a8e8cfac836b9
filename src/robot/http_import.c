#include "robot/robot.h"

const struct robot robot_http_import = {.name = "/http/import"};
