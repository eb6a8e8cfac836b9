/* Addresses of requests by URL: any Host, path and query. What is taken must be a text that says the same when it is
 * built anew, or else two addresses with different meanings would share a signature or a kept answer. */
#include "api/cdn_address.h"
#include "fuzz.h"

#include <string.h>

/* The canonical form of an address, read again, is itself. */
static void check_again(const struct cdn_address *a)
{
    AUTO(mem_free) char *text = cdn_address_signed(a, "w", false);
    char *query = strchr(text, '?'), *path = strchr(text, '/');
    char key[65], key_again[65];
    struct err err;

    CHECK(path && query && path < query && strchr(query + 1, '?') == NULL);
    CHECK(strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!*'()%+/?=&") ==
          strlen(text));
    *query = 0;
    AUTO(cdn_address_free) struct cdn_address *b = NULL;
    if (cdn_address_read(&b, "w", path, query + 1, &err) < 0) { /* it may be longer than what came, nothing else */
        CHECK(strlen(path) + strlen(query + 1) > CDN_ADDRESS_MOST);
        return;
    }
    AUTO(mem_free) char *again = cdn_address_signed(b, "w", false);
    AUTO(mem_free) char *as_it_came = cdn_address_signed(b, "w", true);
    *query = '?';
    CHECK(!strcmp(text, again));
    CHECK(!strcmp(text, as_it_came));
    CHECK(!strcmp(a->input, b->input) && !strcmp(a->template, b->template) && a->count == b->count);
    cdn_address_key(key, a, "w", "t", 1);
    cdn_address_key(key_again, b, "w", "t", 1);
    CHECK(!strcmp(key, key_again) && hex_is(key, 64));
}

/* What a Template may make an address of leads into no other directory. */
static void check_parts(const char *input)
{
    AUTO(mem_free) char *copy = mem_strdup(input);

    ptrdiff_t n = url_decode(copy, strlen(copy), false);
    const char *whole = n < 0 ? input : copy;

    if (n >= 0)
        copy[n] = 0;
    for (const char *s = whole; s; s = strpbrk(s, "/\\"), s = s ? s + 1 : NULL) {
        size_t len = strcspn(s, "/\\?#");

        CHECK(!(len == 1 && *s == '.') && !(len == 2 && !strncmp(s, "..", 2)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes b = {data, len};
    AUTO(mem_free) char *host = take_line(&b);
    AUTO(mem_free) char *path = take_line(&b);
    AUTO(mem_free) char *query = take_rest(&b);
    AUTO(mem_free) char *workspace = cdn_host_workspace(host, "cdn.test");
    AUTO(cdn_address_free) struct cdn_address *a = NULL;
    struct err err = {0};

    if (workspace)
        CHECK(*workspace && !strpbrk(workspace, ".:ABCDEFGHIJKLMNOPQRSTUVWXYZ"));
    if (cdn_address_read(&a, workspace, path, *query ? query : NULL, &err) < 0) {
        CHECK(!a && err.code && *err.msg);
        return 0;
    }
    CHECK(a->count <= CDN_PARAMS_MOST && *a->template && *a->workspace);
    CHECK(utf8_valid(a->input, strlen(a->input)));
    check_parts(a->input);
    AUTO(json_unref) json_t *fields = cdn_address_fields(a);
    CHECK(json_is_string(json_object_get(fields, "input")));
    CHECK(!json_object_get(fields, "sig") && !json_object_get(fields, "exp") && !json_object_get(fields, "auth_key"));
    check_again(a);
    return 0;
}
