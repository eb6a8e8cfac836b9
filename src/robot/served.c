#include "robot/served.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* The framing, ranges and conditions are the server's; the others would act for the whole origin, which serves other
 * workspaces' files too, or for a parent domain. */
static const char *const reserved[] = {"Accept-CH",
                                       "Age",
                                       "Alt-Svc",
                                       "Clear-Site-Data",
                                       "Connection",
                                       "Content-Encoding",
                                       "Content-Length",
                                       "Content-Range",
                                       "Content-Security-Policy",
                                       "Content-Security-Policy-Report-Only",
                                       "Date",
                                       "ETag",
                                       "Keep-Alive",
                                       "Last-Modified",
                                       "NEL",
                                       "Proxy-Authenticate",
                                       "Report-To",
                                       "Reporting-Endpoints",
                                       "Server",
                                       "Service-Worker-Allowed",
                                       "Set-Cookie",
                                       "Set-Cookie2",
                                       "Strict-Transport-Security",
                                       "TE",
                                       "Trailer",
                                       "Transfer-Encoding",
                                       "Upgrade",
                                       "Vary",
                                       "WWW-Authenticate",
                                       "X-Content-Type-Options",
                                       "X-Request-Id"};

static bool is_name(const char *s)
{
    size_t n = 0;

    for (; s[n]; n++)
        if (!isalnum((unsigned char)s[n]) && !strchr("!#$%&'*+-.^_`|~", s[n]))
            return false;
    return n && n <= SERVED_NAME_MOST;
}

/* Bytes beyond ASCII would be read in as many ways as there are clients. */
static bool is_value(const char *s)
{
    size_t n = 0;

    for (; s[n]; n++)
        if ((unsigned char)s[n] < 0x20 || (unsigned char)s[n] > 0x7e)
            return false;
    return n <= SERVED_VALUE_MOST;
}

int served_header_check(const char *name, const char *value, struct err *err)
{
    if (!is_name(name))
        return err_set(err, ERR_ROBOT_VALIDATION, "'headers' has a name that is none of a header: '%.100s'", name);
    for (size_t i = 0; i < ARRAY_LEN(reserved); i++)
        if (!strcasecmp(name, reserved[i]))
            return err_set(err, ERR_ROBOT_VALIDATION, "'headers' may not set %s: it is the server's", reserved[i]);
    if (!is_value(value))
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'headers': the value of %s has something else than printable ASCII, or more than %d bytes",
                       name, SERVED_VALUE_MOST);
    return 0;
}

int served_headers_check(const json_t *headers, struct err *err)
{
    size_t all = 0;
    const char *name;
    json_t *v;

    if (!json_is_object(headers))
        return err_set(err, ERR_ROBOT_VALIDATION, "'headers' must be an object of texts");
    json_object_foreach ((json_t *)headers, name, v) {
        if (!json_is_string(v))
            return err_set(err, ERR_ROBOT_VALIDATION, "'headers': the value of '%.100s' is no text", name);
        if (served_header_check(name, json_string_value(v), err) < 0)
            return -1;
        all += strlen(name) + json_string_length(v);
    }
    if (json_object_size(headers) > SERVED_HEADERS_MOST || all > SERVED_BYTES_MOST)
        return err_set(err, ERR_ROBOT_VALIDATION, "'headers' has more than %d headers or %d bytes", SERVED_HEADERS_MOST,
                       SERVED_BYTES_MOST);
    return 0;
}

/* The seconds behind "name="; -1: this directive is another one. */
static int64_t seconds_of(const char *directive, size_t len, const char *name)
{
    size_t n = strlen(name);
    int64_t s = 0;

    if (len <= n || strncasecmp(directive, name, n) != 0 || directive[n] != '=')
        return -1;
    for (const char *p = directive + n + 1; p < directive + len && isdigit((unsigned char)*p); p++)
        if (s < INT32_MAX)
            s = s * 10 + (*p - '0');
    return s;
}

static bool is_directive(const char *s, size_t len, const char *name)
{
    return len == strlen(name) && !strncasecmp(s, name, len);
}

struct ages {
    int64_t shared, any; /* s-maxage, max-age; -1: it is not said */
    bool never, own;     /* own: only for who asked, or asked again each time */
};

static struct ages ages_of(const char *cache_control)
{
    struct ages a = {.shared = -1, .any = -1};
    int64_t s;

    for (const char *p = cache_control; p && *p;) {
        size_t len = strcspn(p += strspn(p, ", \t"), ", \t");

        a.never |= is_directive(p, len, "no-store");
        a.own |= is_directive(p, len, "private") || is_directive(p, len, "no-cache");
        if ((s = seconds_of(p, len, "s-maxage")) >= 0)
            a.shared = s;
        else if ((s = seconds_of(p, len, "max-age")) >= 0)
            a.any = s;
        p += len;
    }
    return a;
}

int64_t served_age_s(const char *cache_control)
{
    struct ages a = ages_of(cache_control);

    return a.never || a.own ? 0 : a.shared >= 0 ? a.shared : a.any >= 0 ? a.any : 0;
}

int64_t served_longest_s(const char *cache_control)
{
    struct ages a = ages_of(cache_control);
    int64_t longest = a.shared > a.any ? a.shared : a.any;

    return a.never || longest < 0 ? 0 : longest;
}
