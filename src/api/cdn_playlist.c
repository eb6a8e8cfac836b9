#include "api/cdn_playlist.h"
#include "api/cdn_address.h"
#include "base/clock.h"
#include "base/secret.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PLAYLIST_MOST (8 << 20) /* bytes */
#define LIFETIME_MOST_S 31536000

int64_t cdn_playlist_signed_s(const json_t *content)
{
    const char *name;
    json_t *step;

    json_object_foreach (json_object_get(content, "steps"), name, step) {
        const json_t *v = json_object_get(step, "sign_urls_for");
        double s = json_is_string(v) ? strtod(json_string_value(v), NULL) : json_number_value(v);

        if (!strcmp(jstr_or(step, "robot", ""), "/video/ondemand") && s >= 1)
            return s < LIFETIME_MOST_S ? (int64_t)s : LIFETIME_MOST_S;
    }
    return 0;
}

/* One line, which is a query: as it is, with a signature behind it. */
static void add_signed(struct str *out, const char *query, size_t len, const struct cdn_playlist *how)
{
    AUTO(mem_free) char *more = mem_printf("%.*s&auth_key=%s&exp=%" PRId64, (int)len, query, how->key->key,
                                           how->now_us / 1000 + how->good_for_s * 1000);
    AUTO(cdn_address_free) struct cdn_address *a = NULL;
    char sig[129];
    struct err err;

    if (cdn_address_read(&a, how->workspace, how->path, more, &err) < 0) {
        str_addf(out, "?%.*s", (int)len, query);
        return;
    }
    AUTO(mem_free) char *text = cdn_address_signed(a, how->workspace_name, false);
    hmac_hex(sig, HMAC_ALG_SHA256, how->key->secret, text, strlen(text));
    str_addf(out, "?%s&sig=sha256%%3A%s", more, sig);
}

static void sign_lines(struct str *out, const char *text, const struct cdn_playlist *how)
{
    while (*text) {
        size_t len = strcspn(text, "\r\n");

        if (*text == '?')
            add_signed(out, text + 1, len - 1, how);
        else
            str_add(out, text, len);
        str_putc(out, '\n');
        text += len;
        text += *text == '\r';
        text += *text == '\n';
    }
}

static char *playlist_text(struct cdn_entry *e, int fd)
{
    const char *have = cdn_entry_bytes(e);
    AUTO(mem_free) char *text = NULL;

    if (!e->type || strncmp(e->type, "application/vnd.apple.mpegurl", 29) != 0 || e->size < 7 ||
        e->size > PLAYLIST_MOST)
        return NULL;
    text = mem_zalloc((size_t)e->size + 1);
    if (have)
        memcpy(text, have, (size_t)e->size);
    else if (fd < 0 || pread(fd, text, (size_t)e->size, 0) != e->size)
        return NULL;
    return strncmp(text, "#EXTM3U", 7) ? NULL : take(text);
}

struct cdn_entry *cdn_playlist_sign(struct cdn_entry *e, int fd, const struct cdn_playlist *how)
{
    AUTO(mem_free) char *text = playlist_text(e, fd), *cache = NULL;
    AUTO(str_done) struct str out = {0};

    if (!text)
        return NULL;
    sign_lines(&out, text, how);
    cache = mem_printf("private, max-age=%" PRId64, how->good_for_s / 2);
    return cdn_entry_instead(e, out.s, out.len, cache, how->now_us);
}
