/* scopes.h - what an Auth Key may be allowed (api.md 2.6). */
#pragma once
#include <stdbool.h>

/* Every scope there is, NULL at the end. */
extern const char *const auth_scopes[];

bool scope_exists(const char *scope);
/* Is scope (one) in the list (space-separated, or "*")? */
bool scopes_have(const char *scopes, const char *scope);
