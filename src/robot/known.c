/* What to say of a Robot that is not there: it is misspelled, or it exists and this server has not got it. */
#include "base/near.h"
#include "robot/robot.h"

#include <string.h>

static const char *const known[] = {
#define X(name) name,
#include "robot/known.def"
#undef X
};

bool robot_is_known(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (!strcmp(known[i], name))
            return true;
    return robot_find(name) != NULL;
}

int robot_unknown(struct err *err, const char *name)
{
    struct near near = near_to(name);

    if (robot_is_known(name))
        return err_set(err, ERR_STEP_UNKNOWN_ROBOT,
                       "The Robot '%.100s' is known, but not built in this server; `workcell robots` lists those that are", name);
    for (const struct robot *const *r = robot_table; *r; r++)
        near_try(&near, (*r)->name);
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        near_try(&near, known[i]);
    err_set(err, ERR_STEP_UNKNOWN_ROBOT, "There is no Robot '%.100s'", name);
    if (!near.name || robot_find(near.name))
        return near_say(err, &near, "");
    return err_set(err, ERR_STEP_UNKNOWN_ROBOT,
                   "There is no Robot '%.100s'; '%s' is known, but not built in this server; `workcell robots` lists those that are",
                   name, near.name);
}
