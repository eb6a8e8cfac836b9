/* workcell-office: LibreOffice in process. It takes a second to load, and memory that a server
 * without office documents has better use for: the first document of a worker loads it, and the
 * next ones find it. */
#include "media/office.h"
#include "worker/role.h"

static void office_preload(void) {}
static void office_warm(void) {}

static void office_describe(json_t *out)
{
    json_object_set_new(out, "libreoffice", json_boolean(office_is_there()));
}

/* Behind the walls, where its directories may be closed. */
static void office_describe_inside(json_t *out)
{
    struct err err;

    if (office_is_there() && office_open("out", &err) < 0)
        json_object_set_new(out, "office_error", jstring(err.msg));
}

const struct role_program role_program = {.role = ROLE_OFFICE,
                                          .preload = office_preload,
                                          .warm = office_warm,
                                          .describe = office_describe,
                                          .describe_inside = office_describe_inside};
