/* What tus clients write in their headers. Contract: api-tus.md. */
#include "upload/tus_text.h"
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int64_t tus_size(const char *text)
{
    int64_t n = 0;

    if (!text || !*text || strlen(text) > 18)
        return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -1;
        n = n * 10 + (*text - '0');
    }
    return n;
}

/* One of them goes where it belongs. */
static void metadata_put(struct tus_metadata *m, const char *key, const char *value)
{
    if (!strcmp(key, "assembly_url") || !strcmp(key, "assembly_ssl_url")) {
        const char *url = strstr(value, "/assemblies/");

        for (const char *more; url && (more = strstr(url + 1, "/assemblies/"));)
            url = more;
        if (url && !*m->assembly_id)
            snprintf(m->assembly_id, sizeof m->assembly_id, "%.32s", url + strlen("/assemblies/"));
    } else if (!strcmp(key, "fieldname")) {
        free(m->fieldname);
        m->fieldname = mem_strdup(value);
    } else if (!strcmp(key, "filename")) {
        free(m->filename);
        m->filename = mem_strdup(value);
    } else {
        jset(m->user_meta, key, value);
    }
}

int tus_metadata_read(struct tus_metadata *m, const char *text)
{
    AUTO(mem_free) char *copy = mem_strdup(text);
    char *rest = copy, *item;

    *m = (struct tus_metadata){.user_meta = json_object()};
    while ((item = strsep(&rest, ","))) {
        while (*item == ' ')
            item++;
        for (size_t n = strlen(item); n && item[n - 1] == ' ';)
            item[--n] = 0;
        if (!*item)
            continue;
        char *b64 = strchr(item, ' ');
        if (b64)
            *b64++ = 0;
        size_t len = b64 ? strlen(b64) : 0;
        AUTO(mem_free) char *value = mem_zalloc(len / 4 * 3 + 4);
        ptrdiff_t n = b64 ? base64_decode((unsigned char *)value, b64, len) : 0;
        if (n < 0 || strlen(item) > 255)
            return -1;
        value[n] = 0;
        metadata_put(m, item, value);
    }
    return 0;
}

void tus_metadata_done(struct tus_metadata m)
{
    free(m.fieldname);
    free(m.filename);
    json_decref(m.user_meta);
}

const EVP_MD *tus_checksum_read(const char *text, unsigned char want[EVP_MAX_MD_SIZE])
{
    static const struct {
        const char *name;
        const EVP_MD *(*md)(void);
    } algs[] = {{"sha1 ", EVP_sha1}, {"md5 ", EVP_md5}, {"sha256 ", EVP_sha256}};

    for (size_t i = 0; i < ARRAY_LEN(algs); i++) {
        const char *b64 = text + strlen(algs[i].name);

        if (!str_starts(text, algs[i].name) || strlen(b64) > 64)
            continue;
        const EVP_MD *md = algs[i].md();
        return base64_decode(want, b64, strlen(b64)) == EVP_MD_size(md) ? md : NULL;
    }
    return NULL;
}

char **tus_parts_read(const char *text)
{
    AUTO(mem_free) char *copy = mem_strdup(text);
    char *rest = copy, *url;
    char **parts = NULL;
    size_t n = 0;

    while ((url = strsep(&rest, " "))) {
        const char *slash = strrchr(url, '/');
        const char *id = slash ? slash + 1 : url;

        if (!*url)
            continue;
        if (!id_valid(id)) {
            tus_parts_free(parts);
            return NULL;
        }
        parts = mem_realloc(parts, (n + 2) * sizeof *parts);
        parts[n++] = mem_strdup(id);
        parts[n] = NULL;
    }
    return parts;
}

void tus_parts_free(char **parts)
{
    for (char **p = parts; p && *p; p++)
        free(*p);
    free(parts);
}
