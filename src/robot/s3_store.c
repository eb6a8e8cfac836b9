#include "robot/robot.h"

const struct robot robot_s3_store = {.name = "/s3/store"};
