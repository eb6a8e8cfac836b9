/* order.h - in which order a Robot of several files takes them (robots.md 3.7), and the parameter
 * `sort_by`. */
#pragma once
#include "robot/option.h"
#include "robot/robot.h"

/* What sort_by says: "auto" is the Robot's own affair. */
enum order { ORDER_AUTO, ORDER_BASENAME, ORDER_IMPORT };
extern const struct opt_choice choices_order[];

/* out[k] is the number of the input that comes as the k-th; it has room for robot_input_count().
 * Those with a number in `as` behind prefix ("image_") come first, by that number. The others
 * follow by their basename, 2 before 10, or as they came. */
void order_inputs(size_t *out, struct robot_job *job, const char *prefix, bool by_basename);
