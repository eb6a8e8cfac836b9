/* What to say of a Robot that is not there: it is misspelled, or it exists and this server has not got it. */
#include "base/near.h"
#include "robot/robot.h"

#include <string.h>

static const struct known {
    const char *name;
    bool gone; /* from the catalogue */
} known[] = {
#define X(name) {name, false},
#define GONE(name) {name, true},
#include "robot/known.def"
#undef X
#undef GONE
};

static const struct known *known_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (!strcmp(known[i].name, name))
            return &known[i];
    return NULL;
}

bool robot_is_known(const char *name) { return known_find(name) || robot_find(name); }

int robot_unknown(struct err *err, const char *name)
{
    const struct known *k = known_find(name);
    struct near near = near_to(name);

    if (k)
        return err_set(err, ERR_STEP_UNKNOWN_ROBOT,
                       "The Robot '%.100s' is known, but %s; `workcell robots` lists those that are built", name,
                       k->gone ? "was removed from the catalogue" : "not built in this server");
    for (const struct robot *const *r = robot_table; *r; r++)
        near_try(&near, (*r)->name);
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        near_try(&near, known[i].name);
    err_set(err, ERR_STEP_UNKNOWN_ROBOT, "There is no Robot '%.100s'", name);
    if (!near.name || robot_find(near.name))
        return near_say(err, &near, "");
    return err_set(err, ERR_STEP_UNKNOWN_ROBOT,
                   "There is no Robot '%.100s'; '%s' is known, but not built in this server; `workcell robots` lists what is",
                   name, near.name);
}
