#include "robot/robot.h"

const struct robot robot_image_facedetect = {.name = "/image/facedetect"};
