#include "api/cdn_address.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What JavaScript's encodeURIComponent() and URLSearchParams leave as it is, beside letters and digits. */
#define KEEP_COMPONENT "!*'()" /* and -._~ */
#define KEEP_FORM "*-._"

void cdn_address_free(struct cdn_address *a)
{
    if (!a)
        return;
    for (int i = 0; i < a->count; i++) {
        free(a->params[i].name);
        free(a->params[i].value);
    }
    free(a->workspace);
    free(a->template);
    free(a->input);
    free(a->auth_key);
    free(a->exp);
    free(a->sig);
    free(a->raw_query);
    free(a);
}

/* NULL: it can't be decoded to a text. */
static char *cdn_decode(const char *s, size_t len, bool plus)
{
    AUTO(mem_free) char *copy = mem_strndup(s, len);
    ptrdiff_t n = url_decode(copy, len, plus);

    if (n < 0 || memchr(copy, 0, (size_t)n) || !utf8_valid(copy, (size_t)n))
        return NULL;
    copy[n] = 0;
    return take(copy);
}

static int bad_encoding(struct err *err)
{
    return err_set(err, ERR_URL_ENCODING, "The address holds a malformed percent escape, a NUL, or what is no UTF-8");
}

/* ---- the path ---- */

/* One dot, however it is written: what a Template makes an address of is decoded once more by whoever is asked for it.
 */
static const char *skip_dot(const char *s) { return *s == '.' ? s + 1 : !strncasecmp(s, "%2e", 3) ? s + 3 : NULL; }

static bool ends_part(const char *s)
{
    static const char *const escaped[] = {"%2f", "%5c", "%3f", "%23"};

    for (size_t i = 0; i < ARRAY_LEN(escaped); i++)
        if (!strncasecmp(s, escaped[i], 3))
            return true;
    return !*s || strchr("/\\?#", *s);
}

/* "https://files/${fields.input}" must not become "https://files/../private": clients take such steps out of an
 * address. */
static bool climbs(const char *input)
{
    for (const char *s = input; s;) {
        const char *dot = skip_dot(s);

        if (dot && (ends_part(dot) || ((dot = skip_dot(dot)) && ends_part(dot))))
            return true;
        while (!ends_part(s))
            s++;
        s = *s ? s + (*s == '%' ? 3 : 1) : NULL;
    }
    return false;
}

static int part(char **out, const char **path, struct err *err)
{
    size_t n = strcspn(*path, "/");

    if (!n || !(*path)[n])
        return err_set(err, ERR_NOT_FOUND, "An address of a file is /cdn/WORKSPACE/TEMPLATE/INPUT");
    if (!(*out = cdn_decode(*path, n, false)))
        return bad_encoding(err);
    *path += n + 1;
    return 0;
}

static int read_path(struct cdn_address *a, const char *workspace, const char *path, struct err *err)
{
    const char *prefix = workspace ? "/" : "/cdn/";

    if (!str_starts(path, prefix))
        return err_set(err, ERR_NOT_FOUND, "There is nothing at %.200s", path);
    path += strlen(prefix);
    if (workspace)
        a->workspace = mem_strdup(workspace);
    else if (part(&a->workspace, &path, err) < 0)
        return -1;
    if (part(&a->template, &path, err) < 0)
        return -1;
    if (!(a->input = cdn_decode(path, strlen(path), false)))
        return bad_encoding(err);
    return climbs(a->input) ? err_set(err, ERR_FORM, "The input has '.' or '..' for a part of its path") : 0;
}

/* ---- the query ---- */

/* Where one of those that sign goes, NULL: it is another param. */
static char **signing_slot(struct cdn_address *a, const char *name)
{
    return !strcmp(name, "auth_key") ? &a->auth_key
           : !strcmp(name, "exp")    ? &a->exp
           : !strcmp(name, "sig")    ? &a->sig
                                     : NULL;
}

static int keep_param(struct cdn_address *a, char *name, char *value, struct err *err)
{
    AUTO(mem_free) char *n = name;
    AUTO(mem_free) char *v = value;
    char **slot = signing_slot(a, n);

    if (slot && *slot) /* which of them would it be? */
        return err_set(err, ERR_INVALID_SIGNATURE, "'%s' comes more than once", n);
    if (slot) {
        *slot = take(v);
        return 0;
    }
    if (!strcmp(n, "s")) /* what signed in earlier years */
        return 0;
    if (a->count == CDN_PARAMS_MOST)
        return err_set(err, ERR_FORM, "More than %d params", CDN_PARAMS_MOST);
    a->params[a->count++] = (struct cdn_param){take(n), take(v)};
    return 0;
}

static int read_param(struct cdn_address *a, struct str *raw, const char *at, size_t len, struct err *err)
{
    const char *equals = memchr(at, '=', len);
    size_t n = equals ? (size_t)(equals - at) : len;
    AUTO(mem_free) char *name = cdn_decode(at, n, true);
    AUTO(mem_free) char *value = equals ? cdn_decode(equals + 1, len - n - 1, true) : mem_strdup("");

    if (!name || !value)
        return bad_encoding(err);
    if (strcmp(name, "sig") != 0) {
        if (raw->len)
            str_putc(raw, '&');
        str_add(raw, at, len);
    }
    return keep_param(a, take(name), take(value), err);
}

/* One character of UTF-8 text, as UTF-16 has it first: JavaScript sorts by that. */
static unsigned unit_of(const unsigned char **s)
{
    const unsigned char *p = *s;
    size_t len = utf8_length((const char *)p, 4);
    unsigned c = *p;

    if (len > 1) {
        c = *p & (0xffu >> (len + 1));
        for (size_t i = 1; i < len; i++)
            c = c << 6 | (p[i] & 0x3f);
    }
    *s += len ? len : 1;
    return c;
}

/* Beyond the first plane a character is two units, both below the last characters of that plane. */
static unsigned long in_units(unsigned c)
{
    return c < 0x10000 ? (unsigned long)c << 16
                       : (unsigned long)(0xd800 + ((c - 0x10000) >> 10)) << 16 | (0xdc00 + (c & 0x3ff));
}

static int compare_names(const char *x, const char *y)
{
    const unsigned char *a = (const unsigned char *)x, *b = (const unsigned char *)y;

    while (*a && *b) {
        unsigned long p = in_units(unit_of(&a)), q = in_units(unit_of(&b));

        if (p != q)
            return p < q ? -1 : 1;
    }
    return *a ? 1 : *b ? -1 : 0;
}

/* Few, and those of one name must stay as they came. */
static void sort_params(struct cdn_address *a)
{
    for (int i = 1; i < a->count; i++) {
        struct cdn_param p = a->params[i];
        int k = i;

        for (; k > 0 && compare_names(a->params[k - 1].name, p.name) > 0; k--)
            a->params[k] = a->params[k - 1];
        a->params[k] = p;
    }
}

static int read_query(struct cdn_address *a, const char *query, struct err *err)
{
    struct str raw = {0};
    int rc = 0;

    for (const char *at = query; rc == 0 && at && *at;) {
        size_t len = strcspn(at, "&");

        if (len)
            rc = read_param(a, &raw, at, len, err);
        at += len + (at[len] == '&');
    }
    a->raw_query = str_take(&raw);
    sort_params(a);
    return rc;
}

int cdn_address_read(struct cdn_address **out, const char *workspace, const char *path, const char *query,
                     struct err *err)
{
    if (strlen(path) + (query ? strlen(query) : 0) > CDN_ADDRESS_MOST)
        return err_set(err, ERR_FORM, "The address has more than %d bytes", CDN_ADDRESS_MOST);
    AUTO(cdn_address_free) struct cdn_address *a = mem_zalloc(sizeof *a);
    if (read_path(a, workspace, path, err) < 0 || read_query(a, query, err) < 0)
        return -1;
    *out = take(a);
    return 0;
}

/* ---- what is made of it ---- */

/* As URLSearchParams writes it. */
static void add_form(struct str *b, const char *s)
{
    for (; *s; s++)
        if ((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') || strchr(KEEP_FORM, *s))
            str_putc(b, *s);
        else if (*s == ' ')
            str_putc(b, '+');
        else
            str_addf(b, "%%%02X", (unsigned char)*s);
}

static void add_pair(struct str *b, const char *name, const char *value, bool first)
{
    if (!first)
        str_putc(b, '&');
    add_form(b, name);
    str_putc(b, '=');
    add_form(b, value);
}

/* Sorted, with auth_key and exp in their places where with_auth. */
static void add_query(struct str *b, const struct cdn_address *a, bool with_auth)
{
    const struct cdn_param auth[] = {{(char *)"auth_key", a->auth_key}, {(char *)"exp", a->exp}};
    size_t next = 0;
    bool first = true;

    for (int i = 0; i <= a->count; i++) {
        const char *name = i < a->count ? a->params[i].name : NULL;

        for (; with_auth && next < ARRAY_LEN(auth) && (!name || compare_names(auth[next].name, name) < 0); next++)
            if (auth[next].value) {
                add_pair(b, auth[next].name, auth[next].value, first);
                first = false;
            }
        if (name)
            add_pair(b, name, a->params[i].value, first);
        first = first && !name;
    }
}

char *cdn_address_signed(const struct cdn_address *a, const char *workspace, bool as_it_came)
{
    struct str b = {0};

    str_add_urlencoded(&b, workspace, KEEP_COMPONENT);
    str_putc(&b, '/');
    str_add_urlencoded(&b, a->template, KEEP_COMPONENT);
    str_putc(&b, '/');
    str_add_urlencoded(&b, a->input, KEEP_COMPONENT);
    str_putc(&b, '?');
    if (as_it_came)
        str_puts(&b, a->raw_query);
    else
        add_query(&b, a, true);
    return str_take(&b);
}

void cdn_address_key(char out[static 65], const struct cdn_address *a, const char *workspace_id,
                     const char *template_id, int64_t version)
{
    AUTO(str_done) struct str b = {0};
    unsigned char digest[SHA256_DIGEST_LENGTH];

    str_puts(&b, workspace_id);
    str_putc(&b, '/');
    str_puts(&b, template_id);
    str_putc(&b, '/');
    str_add(&b, (const char *)&version, sizeof version);
    str_add_urlencoded(&b, a->input, "");
    str_putc(&b, '?');
    add_query(&b, a, false);
    SHA256((const unsigned char *)b.s, b.len, digest);
    hex_encode(out, digest, sizeof digest);
}

json_t *cdn_address_fields(const struct cdn_address *a)
{
    json_t *fields = json_object();

    for (int i = 0; i < a->count; i++) {
        const struct cdn_param *p = &a->params[i];
        json_t *have = json_object_get(fields, p->name);

        if (!have)
            json_object_set_new(fields, p->name, jstring(p->value));
        else if (json_is_array(have))
            json_array_append_new(have, jstring(p->value));
        else
            json_object_set_new(fields, p->name, json_pack("[O,o]", have, jstring(p->value)));
    }
    json_object_set_new(fields, "input", jstring(a->input)); /* whatever a param of that name says */
    return fields;
}

char *cdn_host_workspace(const char *host, const char *domain)
{
    size_t len = host ? strcspn(host, ":") : 0, below = strlen(domain);

    if (!below || len < below + 2 || host[len - below - 1] != '.' ||
        strncasecmp(host + len - below, domain, below) != 0)
        return NULL;
    len -= below + 1;
    if (memchr(host, '.', len))
        return NULL;
    char *name = mem_strndup(host, len);
    for (char *p = name; *p; p++)
        *p += *p >= 'A' && *p <= 'Z' ? 'a' - 'A' : 0;
    return name;
}
