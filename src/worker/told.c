#include "worker/told.h"

#include <string.h>

json_t *told_text(const char *s, bool lines)
{
    AUTO(mem_free) char *text = mem_strdup(s);

    for (unsigned char *p = (unsigned char *)text; *p; p++) {
        if ((*p < 0x20 && !(lines && (*p == '\n' || *p == '\t'))) || *p == 0x7f)
            *p = ' ';
        if (*p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
            p[0] = p[1] = ' ';
    }
    return jstring(text);
}

static void add_told(json_t *body, const char *name, const char *text)
{
    if (*text)
        json_object_set_new(body, name, told_text(text, false));
}

json_t *told_failure(const struct err *why)
{
    json_t *body = json_pack("{s:i,s:s,s:o,s:o,s:i,s:b}", "code", why->code, "name", why->name, "msg",
                             told_text(why->msg, false), "detail", told_text(why->detail, true), "exited",
                             why->exited, "private", why->is_private_address);

    add_told(body, "virus", why->virus);
    add_told(body, "url", why->url);
    add_told(body, "url_host", why->url_host);
    add_told(body, "browser_code", why->browser_code);
    return body;
}
