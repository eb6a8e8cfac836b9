/* roles.h - the kinds of worker by number and name: roles.def. */
#pragma once
#include <stdint.h>

enum robot_role {
#define X(id, ...) ROLE_##id,
#include "robot/roles.def"
#undef X
    ROLE_COUNT,
};

static inline const char *role_name(enum robot_role role)
{
    static const char *const names[] = {
#define X(id, name, ...) #name,
#include "robot/roles.def"
#undef X
    };
    return names[role];
}
