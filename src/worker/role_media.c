/* workcell-media: Robots that parse hostile bytes. */
#include "robot/robot.h"
#include "worker/role.h"

static void preload(void) {}
static void warm(void) {}

const struct role_program role_program = {.role = ROLE_MEDIA, .preload = preload, .warm = warm, .probe = NULL};
