#include "transfer/values.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

/* ---- addresses of the operator's ---- */

static bool read_address(struct sockaddr_storage *out, socklen_t *len, const char *host,
                         in_port_t port)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = port;
        *len = sizeof *v4;
        return true;
    }
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) != 1)
        return false;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = port;
    *len = sizeof *v6;
    return true;
}

int value_socket(struct sockaddr_storage *out, socklen_t *len, const char *text, struct err *err)
{
    struct sockaddr_un *un = (struct sockaddr_un *)out;
    const char *colon = strrchr(text, ':');
    char host[64], *digits_end;

    memset(out, 0, sizeof *out);
    if (*text == '/') {
        if (strlen(text) >= sizeof un->sun_path || str_ends(text, "/"))
            return err_set(err, ERR_CONFIG,
                           "'%.200s' is no path of a socket, which has at most %zu bytes", text,
                           sizeof un->sun_path - 1);
        un->sun_family = AF_UNIX;
        strcpy(un->sun_path, text);
        *len = sizeof *un;
        return 0;
    }
    size_t n = colon ? (size_t)(colon - text) : 0;
    bool brackets = n > 2 && *text == '[' && text[n - 1] == ']';
    long port = colon && isdigit((unsigned char)colon[1]) ? strtol(colon + 1, &digits_end, 10) : 0;

    if (n && n < sizeof host && port >= 1 && port <= 65535 && !*digits_end) {
        snprintf(host, sizeof host, "%.*s", (int)(brackets ? n - 2 : n), text + brackets);
        if (read_address(out, len, host, htons((in_port_t)port)) &&
            brackets == (out->ss_family == AF_INET6))
            return 0;
    }
    return err_set(
        err, ERR_CONFIG,
        "'%.200s' is neither the path of a socket nor an address with a port (127.0.0.1:3310)",
        text);
}

/* ---- headers ---- */

/* What a header's name is made of. */
static const char token[] = "!#$%&'*+-.^_`|~0123456789"
                            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static int add_header_line(json_t *list, const char *line, struct err *err)
{
    static const char *const reserved[] = {"connection", "content-length", "expect", "host",
                                           "transfer-encoding"};
    size_t n = strspn(line, token);

    if (!n || line[n] != ':')
        return err_set(err, ERR_ROBOT_VALIDATION, "'headers' holds '%.*s', not \"Name: value\"",
                       (int)strcspn(line, ": "), line); /* the value may be a secret */
    for (const char *p = line; *p; p++)
        if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7F)
            return err_set(err, ERR_ROBOT_VALIDATION, "the header '%.*s' holds a control character",
                           (int)n, line);
    for (size_t i = 0; i < ARRAY_LEN(reserved); i++)
        if (strlen(reserved[i]) == n && !strncasecmp(line, reserved[i], n))
            return err_set(err, ERR_ROBOT_VALIDATION, "the header '%.*s' can't be set by hand",
                           (int)n, line);
    if (json_array_size(list) >= VALUE_HEADERS_MAX)
        return err_set(err, ERR_ROBOT_VALIDATION, "'headers' holds more than %d",
                       VALUE_HEADERS_MAX);
    json_array_append_new(list, jstring(line));
    return 0;
}

static int add_headers(json_t *list, const json_t *v, bool may_be_text, struct err *err)
{
    const char *name;
    json_t *item;
    size_t i;

    if (json_is_string(v)) {
        const char *s = json_string_value(v);

        s += strspn(s, " \t\r\n");
        if (!may_be_text)
            return add_header_line(list, s, err);
        if (!*s)
            return 0;
        AUTO(json_unref) json_t *inner = json_parse(s, strlen(s), 4, NULL);
        if (!inner || (!json_is_array(inner) && !json_is_object(inner)))
            return err_set(err, ERR_ROBOT_VALIDATION,
                           "'headers' is a text, but not the JSON of a list or a map");
        return add_headers(list, inner, false, err);
    }
    if (json_is_object(v)) {
        json_object_foreach ((json_t *)v, name, item) {
            AUTO(mem_free)
            char *value =
                json_is_string(item) ? mem_strdup(json_string_value(item)) : json_text(item);
            AUTO(mem_free) char *line = mem_printf("%s: %s", name, value);

            if (json_is_array(item) || json_is_object(item) || json_is_null(item))
                return err_set(err, ERR_ROBOT_VALIDATION, "the header '%.80s' must be a text",
                               name);
            if (add_header_line(list, line, err) < 0)
                return -1;
        }
        return 0;
    }
    if (!json_is_array(v))
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'headers' must be a list of texts or of maps, or JSON text");
    json_array_foreach (v, i, item)
        if (json_is_array(item) || add_headers(list, item, false, err) < 0)
            return json_is_array(item)
                       ? err_set(err, ERR_ROBOT_VALIDATION, "'headers' must not hold lists")
                       : -1;
    return 0;
}

int value_headers(json_t *list, const json_t *v, struct err *err)
{
    return v ? add_headers(list, v, true, err) : 0;
}

/* ---- maps ---- */

static bool is_scalar(const json_t *v)
{
    return json_is_string(v) || json_is_number(v) || json_is_boolean(v);
}

char *value_text(const json_t *v)
{
    return json_is_string(v) ? mem_strdup(json_string_value(v)) : json_text(v);
}

bool value_has_control(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7F)
            return true;
    return false;
}

bool value_is_web(const char *url)
{
    while (isspace((unsigned char)*url))
        url++;
    size_t n = !strncasecmp(url, "http://", 7) ? 7 : !strncasecmp(url, "https://", 8) ? 8 : 0;
    return n && url[n] && !strchr("/?#\\", url[n]);
}

static bool is_reserved(const char *name, const char *const *reserved)
{
    for (; *reserved; reserved++)
        if (!strcasecmp(name, *reserved))
            return true;
    return false;
}

int value_headers_reserved(const json_t *list, const char *const *reserved, struct err *err)
{
    json_t *line;
    size_t i;

    json_array_foreach (list, i, line) {
        AUTO(mem_free) char *name = mem_strndup(json_string_value(line), strcspn(json_string_value(line), ":"));

        if (is_reserved(name, reserved))
            return err_set(err, ERR_ROBOT_VALIDATION, "the header '%.80s' can't be set by hand", name);
    }
    return 0;
}

int value_header_map(const json_t *headers, const char *const *reserved, struct err *err)
{
    const char *name;
    json_t *v;

    if (!json_is_object(headers) || json_object_size(headers) > VALUE_HEADERS_MAX / 2)
        return err_set(err, ERR_ROBOT_VALIDATION, "'headers' must be a map of at most %d texts",
                       VALUE_HEADERS_MAX / 2);
    json_object_foreach ((json_t *)headers, name, v) {
        if (!*name || name[strspn(name, token)])
            return err_set(err, ERR_ROBOT_VALIDATION, "'%.80s' is not the name of a header", name);
        if (is_reserved(name, reserved))
            return err_set(err, ERR_ROBOT_VALIDATION, "the header '%.80s' can't be set by hand",
                           name);
        if (!is_scalar(v) || (json_is_string(v) && value_has_control(json_string_value(v))))
            return err_set(err, ERR_ROBOT_VALIDATION,
                           "the header '%.80s' must be a text without control characters", name);
    }
    return 0;
}

int value_text_map(const json_t *v, const char *name, size_t most, struct err *err)
{
    const char *key;
    json_t *item;

    if (!json_is_object(v))
        return err_set(err, ERR_ROBOT_VALIDATION, "'%s' must be a map of texts", name);
    if (json_object_size(v) > most)
        return err_set(err, ERR_ROBOT_VALIDATION, "'%s' has %zu entries, but at most %zu go", name,
                       json_object_size(v), most);
    json_object_foreach ((json_t *)v, key, item)
        if (!*key || !is_scalar(item))
            return err_set(err, ERR_ROBOT_VALIDATION, "'%s' holds '%.80s', which must be a text",
                           name, key);
    return 0;
}

/* ---- ranges ---- */

bool value_offset(int64_t *out, const char **s)
{
    int64_t n = 0;

    if (!isdigit((unsigned char)**s))
        return false;
    for (; isdigit((unsigned char)**s); ++*s) {
        if (n > INT64_C(900000000000000))
            return false;
        n = n * 10 + **s - '0';
    }
    *out = n;
    return true;
}

static int read_range(struct value_range *out, const json_t *v, struct err *err)
{
    const char *text = json_string_value(v), *s = text;
    struct value_range r = {-1, -1};

    if (!s)
        return err_set(err, ERR_ROBOT_VALIDATION, "'range' must be a text or a list of texts");
    if (str_starts(s, "bytes="))
        s += 6;
    bool tail = *s == '-';
    bool ok = tail || value_offset(&r.from, &s);
    if (ok && (ok = *s == '-'))
        s++;
    if (ok && (tail || *s))
        ok = value_offset(&r.to, &s);
    if (!ok || *s || (!tail && r.to >= 0 && r.to < r.from) || (tail && r.to == 0))
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'range' holds '%.80s', not the form \"0-99\", \"100-\" or \"-100\"", text);
    *out = r;
    return 0;
}

int value_ranges(struct value_range out[static VALUE_RANGES_MAX], const json_t *v, struct err *err)
{
    json_t *item;
    size_t i;

    if (!v)
        return 0;
    if (!json_is_array(v))
        return read_range(out, v, err) < 0 ? -1 : 1;
    if (json_array_size(v) > VALUE_RANGES_MAX)
        return err_set(err, ERR_ROBOT_VALIDATION, "'range' holds %zu entries, but at most %d go",
                       json_array_size(v), VALUE_RANGES_MAX);
    json_array_foreach (v, i, item)
        if (read_range(&out[i], item, err) < 0)
            return -1;
    return (int)json_array_size(v);
}

bool value_content_range(int64_t *from, int64_t *to, int64_t *total, const char *text)
{
    *total = -1;
    if (strncasecmp(text, "bytes", 5) != 0)
        return false;
    text += 5 + strspn(text + 5, " =");
    if (!value_offset(from, &text) || *text++ != '-' || !value_offset(to, &text) || *to < *from)
        return false;
    if (!strcmp(text, "/*") || !*text)
        return true;
    return *text++ == '/' && value_offset(total, &text) && !*text && *total > *to;
}
