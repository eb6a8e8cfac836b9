/* Parameters of the Robots of Azure, and their checks. In the daemon as well: pure. */
#include "transfer/azure.h"
#include "transfer/values.h"

#include <ctype.h>
#include <string.h>

#define METADATA_MAX 40
#define METADATA_BYTES_MAX 8192 /* the service's limit */

#define P struct azure_place
const struct option azure_place_options[] = {
    OPT_STR(P, credentials,
            .help = "Name of stored credentials that hold account, container and key."),
    OPT_STR(P, account, .pattern = "^[a-z0-9]{3,24}$", .example = "\"account\"",
            .help = "Name of the storage account, when no stored credentials are used."),
    OPT_STR(P, container, .pattern = "^([$]root|[$]web|[a-z0-9](-?[a-z0-9])*)$",
            .example = "\"container\"",
            .help = "Name of the container, when no stored credentials are used."),
    OPT_STR(P, key, .secret = true,
            .help = "Key of the account, base64, or a shared access signature (`sv=...&sig=...`) for the container or "
                    "account. Belongs into stored credentials."),
    OPT_END,
};

bool azure_is_sas(const char *key) { return strchr(key, '&') != NULL; }

/* It goes into addresses as it is. */
static int check_sas(const char *sas, struct err *err)
{
    bool has_sig = false, has_sv = false;
    size_t n = strlen(sas);

    for (const char *p = sas + (*sas == '?'); *p; p += strcspn(p, "&"), p += *p == '&') {
        has_sig |= str_starts(p, "sig=") && p[4] && p[4] != '&';
        has_sv |= str_starts(p, "sv=") && p[3] && p[3] != '&';
    }
    for (const char *p = sas + (*sas == '?'); *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("-._~%=&:+/,", *p))
            return err_set(err, ERR_ROBOT_VALIDATION,
                           "'key' is no shared access signature: it holds a character that no address has there");
    if (!has_sig || !has_sv || n > AZURE_SAS_MAX)
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'key' is neither a key of a storage account nor a shared access signature with sv and sig of "
                       "at most %d bytes",
                       AZURE_SAS_MAX);
    return 0;
}

int azure_place_check(const P *p, bool partial, struct err *err)
{
    /* A value that is still ${...} looks like one that was left out: wait until all are known. */
    if (!partial && !str_given(p->credentials)) {
        const char *missing = !str_given(p->account)     ? "account"
                              : !str_given(p->container) ? "container"
                              : !str_given(p->key)       ? "key"
                                                         : NULL;
        if (missing)
            return err_set(
                err, ERR_ROBOT_VALIDATION,
                "'%s' is missing: give 'credentials', or 'account', 'container' and 'key'",
                missing);
    }
    if (str_given(p->key) && azure_is_sas(p->key) && check_sas(p->key, err) < 0)
        return -1;
    if (p->container && strlen(p->container) > 63)
        return err_set(err, ERR_ROBOT_VALIDATION, "'container' has more than 63 characters");
    return 0;
}

/* Of a header: what else there is, servers and proxies each read in their own way. */
static bool is_ascii(const char *s)
{
    for (; *s; s++)
        if (*s < ' ' || *s > '~')
            return false;
    return true;
}

/* The names of metadata are those of variables in C#. */
static bool is_word(const char *s)
{
    bool fine = *s && !isdigit((unsigned char)*s);

    for (; *s; s++)
        fine = fine && (isalnum((unsigned char)*s) || *s == '_');
    return fine;
}

static int check_metadata(const json_t *map, struct err *err)
{
    size_t bytes = 0;
    const char *name;
    json_t *v;

    if (value_text_map(map, "metadata", METADATA_MAX, err) < 0)
        return -1;
    json_object_foreach ((json_t *)map, name, v) {
        AUTO(mem_free) char *value = value_text(v);

        if (!is_word(name))
            return err_set(err, ERR_ROBOT_VALIDATION,
                           "'metadata' has the name '%.100s', but letters, digits and _ make one, "
                           "and no digit begins it",
                           name);
        if (!is_ascii(value))
            return err_set(err, ERR_ROBOT_VALIDATION,
                           "'metadata' has in '%.100s' what is no printable ASCII", name);
        bytes += strlen(name) + strlen(value);
    }
    return bytes > METADATA_BYTES_MAX
               ? err_set(err, ERR_ROBOT_VALIDATION, "'metadata' has more than %d bytes",
                         METADATA_BYTES_MAX)
               : 0;
}

int azure_blob_check(const struct azure_blob *b, struct err *err)
{
    const struct {
        const char *name, *value;
    } headers[] = {{"content_type", b->content_type},
                   {"content_encoding", b->content_encoding},
                   {"content_language", b->content_language},
                   {"content_disposition", b->content_disposition},
                   {"cache_control", b->cache_control}};

    for (size_t i = 0; i < ARRAY_LEN(headers); i++)
        if (headers[i].value && (!is_ascii(headers[i].value) || strlen(headers[i].value) > 1024))
            return err_set(err, ERR_ROBOT_VALIDATION,
                           "'%s' must be printable ASCII of at most 1024 bytes", headers[i].name);
    return check_metadata(b->metadata, err);
}
