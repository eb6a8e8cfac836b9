#include "http/naming.h"
#include "base/json.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

#define NAME_MAX_BYTES ((size_t)255)
#define EXT_MAX_BYTES ((size_t)16) /* a longer "extension" is part of a sentence */

/* Where the parts of an address begin. */
struct parts {
    const char *authority, *path, *query, *fragment; /* query and fragment with their ? and # */
    const char *host;                                /* after user and password */
    size_t host_len;                                 /* without the port */
};

static bool split(struct parts *p, const char *url)
{
    size_t n = !strncasecmp(url, "http://", 7) ? 7 : !strncasecmp(url, "https://", 8) ? 8 : 0;

    if (!n)
        return false;
    p->authority = url + n;
    /* A backslash ends the host for some readers and not for others: nobody needs it there. */
    p->path = p->authority + strcspn(p->authority, "/?#\\");
    p->query = p->path + strcspn(p->path, "?#");
    p->fragment = p->query + strcspn(p->query, "#");
    p->host = p->authority;
    for (const char *c = p->authority; c < p->path; c++)
        if (*c == '@')
            p->host = c + 1;
    size_t len = (size_t)(p->path - p->host);
    const char *colon = *p->host == '[' ? NULL : memchr(p->host, ':', len);
    p->host_len = colon ? (size_t)(colon - p->host) : len;
    return p->host_len > 0 && *p->path != '\\';
}

char *naming_clean_url(const char *url)
{
    AUTO(str_done) struct str out = {0};
    struct parts p;

    while (isspace((unsigned char)*url))
        url++;
    size_t len = strlen(url);
    while (len && isspace((unsigned char)url[len - 1]))
        len--;
    AUTO(mem_free) char *text = mem_strndup(url, len);
    if (!split(&p, text))
        return NULL;
    for (const char *c = text; c < p.path; c++)
        if ((unsigned char)*c <= 0x20 || *c == 0x7F)
            return NULL;
    str_add(&out, text, (size_t)(p.path - text));
    for (const char *c = p.path; *c; c++) {
        unsigned char u = (unsigned char)*c;

        if (u <= 0x20 || u >= 0x7F || strchr("\"<>\\^`{|}", u))
            str_addf(&out, "%%%02X", u);
        else
            str_putc(&out, *c);
    }
    return str_take(&out);
}

static bool host_is(const struct parts *p, const char *host)
{
    return p->host_len == strlen(host) && !strncasecmp(p->host, host, p->host_len);
}

static bool host_ends(const struct parts *p, const char *end)
{
    size_t n = strlen(end);

    return p->host_len > n && !strncasecmp(p->host + p->host_len - n, end, n);
}

/* The next query argument, name and value lent; false at the end. Begin with *at just after the ?.
 */
static bool next_arg(const char **name, size_t *name_len, size_t *len, const char **at,
                     const char *end)
{
    if (*at >= end)
        return false;
    *name = *at;
    *len = strcspn(*at, "&");
    if (*name + *len > end)
        *len = (size_t)(end - *name);
    const char *eq = memchr(*name, '=', *len);
    *name_len = eq ? (size_t)(eq - *name) : *len;
    *at = *name + *len + 1;
    return true;
}

/* Characters of Google's document ids. */
static size_t id_span(const char *s)
{
    return strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
}

static char *google_drive(const struct parts *p, const char *url)
{
    const char *id = NULL, *at = p->query + (*p->query == '?'), *name;
    size_t name_len, len, n = 0;

    if ((id = strstr(p->path, "/file/d/")) && id < p->query) {
        id += 8;
        n = id_span(id);
    } else if (str_starts(p->path, "/open") || str_starts(p->path, "/uc")) {
        while (next_arg(&name, &name_len, &len, &at, p->fragment))
            if (name_len == 2 && !memcmp(name, "id", 2) && len > 3) {
                id = name + 3;
                n = id_span(id);
            }
    }
    /* confirm=t: large files come with a page in between that asks whether a missing virus scan is
     * all right. */
    return n ? mem_printf("https://drive.usercontent.google.com/download?id=%.*s&export=download&"
                          "confirm=t",
                          (int)n, id)
             : mem_strdup(url);
}

static char *google_docs(const struct parts *p, const char *url)
{
    static const struct {
        const char *path, *tail;
    } kinds[] = {{"/document/d/", "export?format=docx"},
                 {"/spreadsheets/d/", "export?format=xlsx"},
                 {"/presentation/d/", "export/pptx"}};

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        size_t head = strlen(kinds[i].path), n;

        if (!str_starts(p->path, kinds[i].path) || !(n = id_span(p->path + head)))
            continue;
        if (str_starts(p->path + head + n, "/export"))
            break;
        return mem_printf("https://docs.google.com%s%.*s/%s", kinds[i].path, (int)n, p->path + head,
                          kinds[i].tail);
    }
    return mem_strdup(url);
}

/* The address with query argument name set to value, fragment dropped. */
static char *with_arg(const struct parts *p, const char *url, const char *name, const char *value)
{
    AUTO(str_done) struct str out = {0};
    const char *at = p->query + (*p->query == '?'), *arg;
    size_t name_len, len;
    char sep = '?';

    str_add(&out, url, (size_t)(p->query - url));
    while (next_arg(&arg, &name_len, &len, &at, p->fragment)) {
        if (!len || (name_len == strlen(name) && !memcmp(arg, name, name_len)))
            continue;
        str_putc(&out, sep);
        str_add(&out, arg, len);
        sep = '&';
    }
    str_addf(&out, "%c%s=%s", sep, name, value);
    return str_take(&out);
}

/* OneDrive's "shares" interface takes the link itself as the id. */
static char *one_drive(const char *url)
{
    size_t len = strlen(url);
    AUTO(mem_free) char *id = mem_alloc(len / 3 * 4 + 8);
    int n = EVP_EncodeBlock((unsigned char *)id, (const unsigned char *)url, (int)len);

    while (n && id[n - 1] == '=')
        id[--n] = 0;
    for (char *c = id; *c; c++)
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
    return mem_printf("https://api.onedrive.com/v1.0/shares/u!%s/root/content", id);
}

char *naming_direct_url(const char *url)
{
    struct parts p;

    if (!split(&p, url))
        return mem_strdup(url);
    if (host_is(&p, "www.dropbox.com") || host_is(&p, "dropbox.com"))
        return p.query - p.path > 1 ? with_arg(&p, url, "dl", "1") : mem_strdup(url);
    if (host_is(&p, "drive.google.com"))
        return google_drive(&p, url);
    if (host_is(&p, "docs.google.com"))
        return google_docs(&p, url);
    if (host_is(&p, "1drv.ms") ||
        (host_is(&p, "onedrive.live.com") && !str_starts(p.path, "/download")))
        return one_drive(url);
    if (host_ends(&p, ".sharepoint.com") && str_starts(p.path, "/:"))
        return with_arg(&p, url, "download", "1");
    return mem_strdup(url);
}

static bool is_credential(const char *name, size_t len)
{
    static const char *const names[] = {
        "access_token",    "accesskey",     "access_key",    "api_key",     "apikey",
        "api-key",         "auth",          "authorization", "auth_token",  "awsaccesskeyid",
        "credential",      "id_token",      "jwt",           "key-pair-id", "password",
        "passwd",          "policy",        "pwd",           "secret",      "security_token",
        "session_token",   "sig",           "sign",          "signature",   "token",
        "x-amz-signature", "googleaccessid"};
    static const char *const prefixes[] = {"x-amz-", "x-goog-", "x-oss-", "x-tos-"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strlen(names[i]) == len && !strncasecmp(name, names[i], len))
            return true;
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        if (!strncasecmp(name, prefixes[i], strlen(prefixes[i])))
            return true;
    return false;
}

char *naming_public_url(const char *url)
{
    AUTO(str_done) struct str out = {0};
    const char *name;
    size_t name_len, len;
    struct parts p;
    char sep = '?';

    if (!split(&p, url))
        return mem_strdup("");
    str_add(&out, url, (size_t)(p.authority - url));
    str_add(&out, p.host, (size_t)(p.query - p.host));
    const char *at = p.query + (*p.query == '?');
    while (next_arg(&name, &name_len, &len, &at, p.fragment)) {
        if (is_credential(name, name_len))
            continue;
        str_putc(&out, sep);
        str_add(&out, name, len);
        sep = '&';
    }
    return str_take(&out);
}

char *naming_safe(const char *raw)
{
    AUTO(str_done) struct str out = {0};
    AUTO(json_unref) json_t *valid = jstring(raw); /* repairs what is not UTF-8 */
    const char *name = json_string_value(valid);

    for (const char *p = name; p && *p; p++)
        if (*p == '/' || *p == '\\')
            name = p + 1;
    for (const char *p = name; p && *p; p++) {
        unsigned char c = (unsigned char)*p;

        if (c < 0x20 || c == 0x7F)
            continue;
        if (c == 0xC2 && (unsigned char)p[1] < 0xA0) { /* U+0080 to U+009F */
            p++;
            continue;
        }
        if (c == ' ' && !out.len)
            continue;
        str_putc(&out, *p);
    }
    while (out.len && out.s[out.len - 1] == ' ')
        out.s[--out.len] = 0;
    if (!out.len || !strcmp(out.s, ".") || !strcmp(out.s, ".."))
        return mem_strdup("file");
    if (out.len <= NAME_MAX_BYTES)
        return str_take(&out);

    const char *ext = strrchr(out.s, '.');
    if (!ext || strlen(ext) > EXT_MAX_BYTES)
        ext = "";
    size_t keep = NAME_MAX_BYTES - strlen(ext);
    while (((unsigned char)out.s[keep] & 0xC0) == 0x80) /* not in the middle of a character */
        keep--;
    while (keep && out.s[keep - 1] == ' ') /* the cut made it the last */
        keep--;
    return mem_printf("%.*s%s", (int)keep, out.s, ext);
}

/* Value of a parameter of a header, unquoted; NULL: not there. RFC 6266, with what browsers
 * forgive. */
static char *parameter(const char *header, const char *want)
{
    const char *p = header + strcspn(header, ";");
    size_t n = strlen(want);

    while (*p) {
        AUTO(str_done) struct str value = {0};

        p += strspn(p, "; \t");
        size_t len = strcspn(p, "=;");
        const char *name = p;
        p += len;
        while (len && isblank((unsigned char)name[len - 1]))
            len--;
        if (*p != '=')
            continue;
        p += 1 + strspn(p + 1, " \t");
        if (*p == '"') {
            for (p++; *p && *p != '"'; p++) {
                /* Only these two are escapes: Windows programs send bare paths. */
                if (*p == '\\' && (p[1] == '"' || p[1] == '\\'))
                    p++;
                str_putc(&value, *p);
            }
            p += strcspn(p, ";");
        } else {
            size_t end = strcspn(p, ";");

            str_add(&value, p, end);
            p += end;
            while (value.len && isblank((unsigned char)value.s[value.len - 1]))
                value.s[--value.len] = 0;
        }
        if (len == n && !strncasecmp(name, want, n))
            return str_take(&value);
    }
    return NULL;
}

/* Decoded in place; false: a bad escape or a NUL inside. */
static bool naming_decode(char *s)
{
    ptrdiff_t n = url_decode(s, strlen(s), false);

    if (n < 0 || memchr(s, 0, (size_t)n))
        return false;
    s[n] = 0;
    return true;
}

static char *latin1_to_utf8(const char *s)
{
    struct str out = {0};

    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;

        if (c < 0x80) {
            str_putc(&out, *s);
        } else {
            str_putc(&out, (char)(0xC0 | c >> 6));
            str_putc(&out, (char)(0x80 | (c & 0x3F)));
        }
    }
    return str_take(&out);
}

char *naming_from_disposition(const char *header)
{
    AUTO(mem_free) char *ext = parameter(header, "filename*"); /* RFC 8187: charset'lang'text */
    char *text = ext ? strchr(ext, '\'') : NULL;

    text = text ? strchr(text + 1, '\'') : NULL;
    if (text && naming_decode(++text) && *text)
        return !strncasecmp(ext, "iso-8859-1'", 11) ? latin1_to_utf8(text) : mem_strdup(text);
    AUTO(mem_free) char *plain = parameter(header, "filename");
    if (!plain || !*plain)
        return NULL;
    return utf8_valid(plain, strlen(plain)) ? take(plain) : latin1_to_utf8(plain);
}

char *naming_from_url(const char *url)
{
    struct parts p;

    if (!split(&p, url))
        return NULL;
    const char *end = p.query, *start = end;
    while (start > p.path && start[-1] != '/')
        start--;
    if (start == end || start == p.path)
        return NULL;
    AUTO(mem_free) char *name = mem_strndup(start, (size_t)(end - start));
    AUTO(mem_free) char *raw = mem_strdup(name);
    if (!naming_decode(name))
        return take(raw);
    return take(name);
}
