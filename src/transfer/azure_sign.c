/* Signatures of Azure Storage: of requests (Authorize with Shared Key) and of addresses (Create a
 * service SAS). */
#include "base/clock.h"
#include "transfer/azure.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define PAIRS_MAX 128
#define SAS_VERSION "2020-12-06"

struct azure_pair {
    char *name, *value;
};
struct azure_pairs {
    struct azure_pair pairs[PAIRS_MAX];
    int n;
};

static void azure_pairs_done(struct azure_pairs p)
{
    for (int i = 0; i < p.n; i++) {
        free(p.pairs[i].name);
        free(p.pairs[i].value);
    }
}
DEFINE_AUTO(struct azure_pairs, azure_pairs_done)

static void lower(char *s)
{
    for (; *s; s++)
        *s = (char)tolower((unsigned char)*s);
}

/* The service sorts by the tables of its language, where _ comes before digits and letters. The -
 * that all names have stands at the same places in those that could be mistaken. */
static int weight(char c) { return c == '_' ? 1 : (unsigned char)c + 1; }

static int by_name(const void *a, const void *b)
{
    const char *x = ((const struct azure_pair *)a)->name, *y = ((const struct azure_pair *)b)->name;

    while (*x && *x == *y)
        x++, y++;
    return (*x ? weight(*x) : 0) - (*y ? weight(*y) : 0);
}

/* "" when there is none. The caller frees. */
static char *header_of(const char *lines, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = lines; p && *p; p += strcspn(p, "\n"), p += *p == '\n')
        if (!strncasecmp(p, name, n) && p[n] == ':') {
            p += n + 1 + strspn(p + n + 1, " ");
            return mem_strndup(p, strcspn(p, "\n"));
        }
    return mem_strdup("");
}

static void add_own_headers(struct str *out, const char *lines)
{
    AUTO(azure_pairs_done) struct azure_pairs all = {.n = 0};

    for (const char *p = lines; p && *p; p += strcspn(p, "\n"), p += *p == '\n') {
        size_t len = strcspn(p, "\n"), name = strcspn(p, ":\n");

        if (strncasecmp(p, "x-ms-", 5) != 0 || name == len || all.n == PAIRS_MAX)
            continue;
        const char *value = p + name + 1, *end = p + len;
        while (value < end && *value == ' ')
            value++;
        while (end > value && end[-1] == ' ')
            end--;
        all.pairs[all.n] =
            (struct azure_pair){mem_strndup(p, name), mem_strndup(value, (size_t)(end - value))};
        lower(all.pairs[all.n++].name);
    }
    qsort(all.pairs, (size_t)all.n, sizeof all.pairs[0], by_name);
    for (int i = 0; i < all.n; i++)
        str_addf(out, "%s:%s\n", all.pairs[i].name, all.pairs[i].value);
}

static char *decoded(const char *s, size_t len)
{
    char *text = mem_strndup(s, len);
    ptrdiff_t n = url_decode(text, len, /* plus_is_space= */ false);

    text[n < 0 ? 0 : n] = 0;
    return text;
}

static void add_query(struct str *out, const char *query)
{
    AUTO(azure_pairs_done) struct azure_pairs all = {.n = 0};

    for (const char *p = query; *p && all.n < PAIRS_MAX; p += strcspn(p, "&"), p += *p == '&') {
        size_t len = strcspn(p, "&"), name = strcspn(p, "=&");

        all.pairs[all.n] = (struct azure_pair){
            decoded(p, name), name < len ? decoded(p + name + 1, len - name - 1) : mem_strdup("")};
        lower(all.pairs[all.n++].name);
    }
    qsort(all.pairs, (size_t)all.n, sizeof all.pairs[0], by_name);
    for (int i = 0; i < all.n; i++)
        str_addf(out, "\n%s:%s", all.pairs[i].name, all.pairs[i].value);
}

char *azure_string_to_sign(const char *account, const char *method, const char *url,
                           const char *lines, int64_t length)
{
    /* NULL: the length */
    static const char *const headers[] = {"content-encoding",
                                          "content-language",
                                          NULL,
                                          "content-md5",
                                          "content-type",
                                          "date",
                                          "if-modified-since",
                                          "if-match",
                                          "if-none-match",
                                          "if-unmodified-since",
                                          "range"};
    const char *host = strstr(url, "://"), *path = strchr(host ? host + 3 : url, '/');
    struct str out = {0};

    str_addf(&out, "%s\n", method);
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        if (headers[i]) {
            AUTO(mem_free) char *value = header_of(lines, headers[i]);
            str_puts(&out, value);
        } else if (length > 0) {
            str_addf(&out, "%lld", (long long)length);
        }
        str_putc(&out, '\n');
    }
    add_own_headers(&out, lines);
    size_t n = path ? strcspn(path, "?") : 0;
    str_addf(&out, "/%s%.*s", account, (int)n, path ? path : "");
    if (path && path[n])
        add_query(&out, path + n + 1);
    return str_take(&out);
}

/* base64 of the HMAC-SHA256. */
static void azure_hmac(char out[static 48], const struct azure *z, const char *text)
{
    unsigned char md[EVP_MAX_MD_SIZE];

    if (!HMAC(EVP_sha256(), z->key, (int)z->key_len, (const unsigned char *)text, strlen(text), md,
              NULL))
        abort(); /* fails only without memory */
    EVP_EncodeBlock((unsigned char *)out, md, 32);
}

void azure_sign(struct api *a, const struct api_call *c, struct str *lines)
{
    const struct azure *z = a->ctx;
    time_t now = (time_t)((clock_now_us() + z->skew_us) / SECOND_US);
    int64_t length = c->body ? (int64_t)strlen(c->body) : c->length > 0 ? c->length : 0;
    char date[64], mac[48];
    struct tm tm;

    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
    str_addf(lines, "x-ms-date: %s\nx-ms-version: " AZURE_VERSION "\n", date);
    if (a->query)
        return;
    AUTO(mem_free)
    char *text = azure_string_to_sign(z->place->account, c->method, c->url, lines->s, length);
    azure_hmac(mac, z, text);
    str_addf(lines, "Authorization: SharedKey %s:%s\n", z->place->account, mac);
}

char *azure_url(const struct azure *z, const char *name)
{
    struct str url = {0};

    str_addf(&url, "%s/", z->base);
    str_add_urlencoded(&url, name, "/");
    return str_take(&url);
}

char *azure_sas_url(const struct azure *z, const char *name, const char *permissions,
                    int64_t until_us)
{
    AUTO(mem_free) char *url = azure_url(z, name);
    AUTO(str_done) struct str text = {0}, out = {0};
    time_t until = (time_t)(until_us / SECOND_US);
    char expiry[32], mac[48], granted[8] = "";
    struct tm tm;

    strftime(expiry, sizeof expiry, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&until, &tm));
    for (const char *p = "rwd"; *p; p++) /* in this order, each once */
        if (strchr(permissions, *p))
            granted[strlen(granted)] = *p;
    /* permissions, start, expiry, resource, identifier, address, protocol, version, kind, snapshot,
     * encryption scope, and five headers of the answer */
    str_addf(&text, "%s\n\n%s\n/blob/%s/%s/%s\n\n\n\n%s\nb\n\n\n\n\n\n\n", granted, expiry,
             z->place->account, z->place->container, name, SAS_VERSION);
    azure_hmac(mac, z, text.s);
    str_addf(&out, "%s?sv=%s&sr=b&sp=%s&se=", url, SAS_VERSION, granted);
    str_add_urlencoded(&out, expiry, "");
    str_puts(&out, "&sig=");
    str_add_urlencoded(&out, mac, "");
    return str_take(&out);
}
