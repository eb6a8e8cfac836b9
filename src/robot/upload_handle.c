#include "robot/robot.h"

const struct robot robot_upload_handle = {.name = "/upload/handle"};
