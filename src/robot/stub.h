/* stub.h - files that are an address only (robot_input.stub), and for how long such an address is good: who gives one
 * signs it, or has it from somebody who takes it back. */
#pragma once
#include "robot/robot.h"

#define STUB_META "stub_expires" /* key of a stub's meta: seconds since the epoch; missing: no end of it is known */

/* How long the address of an input is good yet, in seconds; -1: no end of it is known. Errors: the Robot's VALIDATION,
 * it is over. */
MUST_CHECK int stub_left_s(int64_t *out, const struct robot_job *job, const struct robot_input *in, struct err *err);
