/* What an Auth Key may be allowed. */
#include "api/scopes.h"

#include <stddef.h>
#include <string.h>

const char *const auth_scopes[] = {"assemblies:read", "assemblies:write", "auth_keys:read", "auth_keys:write",
                                   "bills:read", "queues:read", "template_credentials:read",
                                   "template_credentials:write", "templates:read", "templates:write", NULL};

bool scopes_have(const char *scopes, const char *scope)
{
    size_t n = strlen(scope);

    if (!strcmp(scopes, "*"))
        return true;
    for (const char *s = scopes; (s = strstr(s, scope)); s += n)
        if ((s == scopes || s[-1] == ' ') && (!s[n] || s[n] == ' '))
            return true;
    return false;
}

bool scope_exists(const char *scope)
{
    for (const char *const *s = auth_scopes; *s; s++)
        if (!strcmp(*s, scope))
            return true;
    return false;
}
