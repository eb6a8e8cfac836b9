/* Parameters of the Robots of Cloud Files, and their check. In the daemon as well: pure. */
#include "transfer/swift.h"
#include "transfer/values.h"

#include <string.h>

#define P struct swift_place
static const struct opt_choice countries[] = {{"us", SWIFT_US}, {"uk", SWIFT_UK}, {0}};
const struct option swift_place_options[] = {
    OPT_STR(P, credentials,
            .help = "Name of stored credentials that hold account_type, data_center, container, "
                    "user and key."),
    OPT_ENUM(P, account_type, countries, .def = SWIFT_US,
             .help = "In which country's cloud the account is."),
    OPT_STR(P, data_center, .pattern = "^[A-Za-z0-9_-]{0,64}$", .example = "\"dfw\"",
            .help = "Where the container is (\"dfw\"). Left out: the user's own data center."),
    OPT_STR(P, user, .help = "Who signs in."),
    OPT_STR(P, key, .secret = true,
            .help = "API key of the user. Belongs into stored credentials."),
    OPT_STR(P, container, .help = "Name of the container, when no stored credentials are used."),
    OPT_END,
};

int swift_place_check(const P *p, bool partial, struct err *err)
{
    /* A value that is still ${...} looks like one that was left out: wait until all are known. */
    if (!partial && !str_given(p->credentials)) {
        const char *missing = !str_given(p->user)        ? "user"
                              : !str_given(p->key)       ? "key"
                              : !str_given(p->container) ? "container"
                                                         : NULL;
        if (missing)
            return err_set(err, ERR_ROBOT_VALIDATION,
                           "'%s' is missing: give 'credentials', or 'user', 'key' and 'container'",
                           missing);
    }
    if (p->container && (strchr(p->container, '/') || strlen(p->container) > 240 ||
                         value_has_control(p->container) || !strcmp(p->container, ".") ||
                         !strcmp(p->container, "..")))
        return err_set(err, ERR_ROBOT_VALIDATION, "'container' is '%.80s', which is no name of one",
                       p->container);
    if ((p->user && value_has_control(p->user)) || (p->key && value_has_control(p->key)))
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'user' and 'key' must not hold control characters");
    return 0;
}
