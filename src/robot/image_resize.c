#include "robot/robot.h"

const struct robot robot_image_resize = {.name = "/image/resize"};
