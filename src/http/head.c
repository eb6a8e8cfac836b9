/* head.c - is there one way only to read a request's line and headers (RFC 9112 2.2, 3, 5 and 6)? Who reads them
 * otherwise, a proxy before us, would see other requests than we do.
 *
 * libmicrohttpd joins folded lines, ends lines at any LF, cuts names and values at a NUL and passes by what it does not
 * need. It leaves the block where it lies, though, with NULs for the separators; so every name has to begin right
 * behind the line before it, and the last line has to end where the block does. */
#include "http/server_priv.h"

#include <string.h>
#include <strings.h>

struct head {
    const char *next; /* where the next name has to begin */
    const char *host, *length;
    int hosts, encodings;
    unsigned seen; /* bits of single[] */
    const char *wrong;
};

/* Of these we take the first, and others may take the last. */
static const char *const single[] = {
    "Content-Type", "Authorization", "X-HTTP-Method-Override", "Tus-Resumable", "Upload-Length", "Upload-Offset",
    "Upload-Defer-Length", "Upload-Concat", "Upload-Metadata", "Upload-Checksum", "Range", "Referer", "Upgrade",
    "X-Requested-With", "Transloadit-Client", "Expect"};

static bool is_token(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = s[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              (c && strchr("!#$%&'*+-.^_`|~", c))))
            return false;
    }
    return len > 0;
}

static bool is_clean(const char *s, size_t len, bool blanks)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c == 0x7F || (c < 0x20 && !(blanks && c == '\t')) || (c == ' ' && !blanks))
            return false;
    }
    return true;
}

bool http_host_valid(const char *host)
{
    const char *p = host;
    int port = 0, digits = 0;

    if (*p == '[') {
        p += 1 + strspn(p + 1, "0123456789abcdefABCDEF:.");
        if (*p++ != ']' || p - host < 4)
            return false;
    } else {
        p += strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_");
        if (p == host || p - host > 255 || *host == '.' || *host == '-')
            return false;
    }
    if (!*p)
        return true;
    if (*p++ != ':')
        return false;
    for (; *p >= '0' && *p <= '9' && digits < 6; p++, digits++)
        port = port * 10 + (*p - '0');
    return !*p && digits && port <= 65535;
}

static bool is_number(const char *s)
{
    return *s && strlen(s) <= 18 && strspn(s, "0123456789") == strlen(s);
}

static void see_single(struct head *h, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(single); i++)
        if (!strcasecmp(name, single[i])) {
            if (h->seen >> i & 1)
                h->wrong = "a header that may come once came twice";
            h->seen |= 1u << i;
        }
}

static void see_meaning(struct head *h, const char *name, const char *value)
{
    if (!strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING)) {
        if (h->encodings++ || strcasecmp(value, "chunked") != 0)
            h->wrong = "Transfer-Encoding is something else than chunked";
    } else if (!strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH)) {
        if (!is_number(value) || (h->length && strcmp(h->length, value) != 0))
            h->wrong = "Content-Length is not one number";
        h->length = value;
    } else if (!strcasecmp(name, MHD_HTTP_HEADER_HOST)) {
        h->hosts++;
        h->host = value;
    } else {
        see_single(h, name);
    }
}

static enum MHD_Result see(void *head, enum MHD_ValueKind kind, const char *name, size_t name_len, const char *value,
                           size_t value_len)
{
    struct head *h = head;
    const char *p = name + name_len + 1;

    if (!value || name != h->next || !is_token(name, name_len))
        h->wrong = "a header's name is not right, or its line is folded or not ended by CR LF";
    if (h->wrong)
        return MHD_NO;
    while (p < value && (*p == ' ' || *p == '\t'))
        p++;
    if (p != value || !is_clean(value, value_len, true)) {
        h->wrong = "a header's value holds a control character";
        return MHD_NO;
    }
    for (p = value + value_len; *p == ' ' || *p == '\t'; p++)
        ;
    h->next = p + 2;
    /* what another release keeps of blanks behind a value is none of it */
    while (value_len && (value[value_len - 1] == ' ' || value[value_len - 1] == '\t'))
        value_len--;
    AUTO(mem_free) char *trimmed = value[value_len] ? mem_strndup(value, value_len) : NULL;
    see_meaning(h, name, trimmed ? trimmed : value);
    if (trimmed && (h->length == trimmed || h->host == trimmed))
        h->wrong = "blanks behind Content-Length or Host";
    return h->wrong ? MHD_NO : MHD_YES;
}

/* "http://host/path" (RFC 9112 3.2.2): the same host twice. */
static bool is_other_host(const char *url, const char *host)
{
    const char *rest = *url == '/' ? NULL : strstr(url, "://");
    size_t len;

    if (!rest)
        return false;
    len = strcspn(rest + 3, "/");
    return !host || strlen(host) != len || strncasecmp(rest + 3, host, len) != 0;
}

const char *head_ambiguous(struct MHD_Connection *mhd, const char *method, const char *url, const char *version,
                           const char *query)
{
    struct head h = {.next = version + strlen(version) + 2};
    const union MHD_ConnectionInfo *size = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    bool is_11 = !strcmp(version, "HTTP/1.1");

    if (!is_token(method, strlen(method)) || !is_clean(url, strlen(url), false) ||
        (query && !is_clean(query, strlen(query), false)) || url != method + strlen(method) + 1 ||
        version != url + strlen(url) + (query ? strlen(query) + 1 : 0) + 1)
        return "the request line is not METHOD, one blank, target, one blank, version";
    if (!is_11 &&
        strcmp(version, "HTTP/1.0") != 0) /* what depends on it would be decided by each reader in its own way */
        return "the version is neither HTTP/1.1 nor HTTP/1.0";
    MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, see, &h);
    if (h.wrong)
        return h.wrong;
    if (size && h.next + 2 != method + size->header_size)
        return "the last header holds a NUL, is folded or not ended by CR LF";
    if (h.encodings && (h.length || !is_11))
        return "Transfer-Encoding beside Content-Length, or in HTTP/1.0";
    if (h.hosts > 1 || (is_11 && !h.hosts) || (h.host && !http_host_valid(h.host)))
        return "exactly one Host is needed, and it is a name or an address with or without a port";
    if (is_other_host(url, h.host))
        return "the target's host is not the one of Host";
    return NULL;
}
