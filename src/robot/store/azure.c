/* /azure/store: put files into a container of Azure Blob Storage. */
#include "transfer/azure.h"
#include "base/clock.h"

#include <string.h>

struct azure_store_opts {
    struct azure_place place;
    struct store_opts store;
    const char *content_type, *content_encoding, *content_language, *content_disposition,
        *cache_control;
    json_t *metadata;
    int64_t sas_expires_in;
    const char *sas_permissions;
};
#define T struct azure_store_opts
#define DECADES_S 3e9 /* a date that is one still */
static const struct option options[] = {
    OPT_GROUP(T, place, struct azure_place, azure_place_options),
    OPT_GROUP(T, store, struct store_opts, store_options),
    OPT_STR(T, content_type, .help = "Content-Type of the blob. Left out: the file's."),
    OPT_STR(T, content_encoding, .help = "Content-Encoding of the blob."),
    OPT_STR(T, content_language, .help = "Content-Language of the blob."),
    OPT_STR(T, content_disposition, .help = "Content-Disposition of the blob."),
    OPT_STR(T, cache_control, .help = "Cache-Control of the blob."),
    OPT_JSON(T, metadata, .def_str = "{}", .example = "{\"a\": \"b\"}",
             .help = "Metadata of the blob: names of letters, digits and _, values of ASCII."),
    OPT_INT(T, sas_expires_in, .min = 0, .max = DECADES_S, .unit = "s",
            .help = "Sign the addresses in the Status, for so long. 0: do not."),
    OPT_STR(T, sas_permissions, .pattern = "^[rdw]+$", .example = "\"rw\"",
            .help = "What who has a signed address may do: r (read), w (write), d (delete). Left "
                    "out: read."),
    OPT_END,
};

static struct azure_blob blob_of(const T *o)
{
    return (struct azure_blob){o->content_type,        o->content_encoding, o->content_language,
                               o->content_disposition, o->cache_control,    o->metadata};
}

static int azure_store_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;
    struct azure_blob blob = blob_of(o);

    if (o->sas_expires_in > 0 && str_given(o->place.key) && azure_is_sas(o->place.key))
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'sas_expires_in' needs the key of the account: a shared access signature can't sign another");
    return store_opts_check(&o->store, /* tree= */ true, AZURE_NAME_MAX, err) < 0 ||
                   azure_blob_check(&blob, err) < 0
               ? -1
               : azure_place_check(&o->place, partial, err);
}

struct azure_storing {
    struct azure azure;
    struct azure_blob blob;
    const T *opts;
};

static int azure_store_put(void *ctx, struct remote_file *f, struct err *err)
{
    struct azure_storing *s = ctx;

    return azure_put(&s->azure, f, &s->blob, err);
}

static void azure_address(void *ctx, const struct remote_file *f, struct str *url,
                          struct str *ssl_url)
{
    const struct azure_storing *s = ctx;
    const char *permissions = str_given(s->opts->sas_permissions) ? s->opts->sas_permissions : "r";
    AUTO(mem_free)
    char *address =
        s->opts->sas_expires_in > 0
            ? azure_sas_url(&s->azure, f->path, permissions,
                            clock_now_us() + s->azure.skew_us + s->opts->sas_expires_in * SECOND_US)
            : azure_url(&s->azure, f->path);

    /* accounts take nothing but https unless somebody has changed that */
    str_puts(url, address);
    str_puts(ssl_url, address);
}

static const struct remote_protocol protocol = {.put = azure_store_put, .address = azure_address};

static int azure_store_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    struct azure_storing s = {.blob = blob_of(o), .opts = o};
    int rc = azure_open(&s.azure, job, &o->place, err);

    if (rc == 0)
        rc = remote_store(job, &protocol, &s, &o->store, err);
    azure_done(&s.azure);
    return rc;
}

/* Blocks that nobody commits vanish by themselves: there is only to be seen what was committed. */
static int azure_undo(struct robot_job *job, const void *opts, const json_t *token, struct err *err)
{
    const T *o = opts;
    struct azure_storing s = {.blob = blob_of(o), .opts = o};
    bool there = false;
    int rc = azure_open(&s.azure, job, &o->place, err);

    if (rc == 0)
        rc = azure_look(&there, &s.azure, token, err);
    if (rc == 0 && there)
        rc = remote_kept(job, &protocol, &s, token, err);
    azure_done(&s.azure);
    return rc;
}

static char *azure_probe_url(const void *ctx, const char *name)
{
    const struct azure_storing *s = ctx;

    return azure_url(&s->azure, name);
}

static char *azure_probe_list(const void *ctx, const char *name)
{
    const struct azure_storing *s = ctx;

    return mem_printf("%s?restype=container&comp=list&maxresults=1&prefix=%s", s->azure.base, name);
}

static int azure_try(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    struct azure_storing s = {.blob = blob_of(o), .opts = o};
    int rc = azure_open(&s.azure, job, &o->place, err);

    if (rc == 0)
        rc = api_try(&(struct api_trial){.api = &s.azure.api,
                                         .store = &protocol,
                                         .ctx = &s,
                                         .url = azure_probe_url,
                                         .list = azure_probe_list},
                     err);
    azure_done(&s.azure);
    return rc;
}

const struct robot robot_store_azure = {
    .name = "/azure/store",
    .summary = "Store files in Azure Blob Storage",
    .role = ROLE_TRANSFER,
    .is_store = true,
    .credentials = "azure",
    .codes = "ACCESS_DENIED",
    .price_factor = 6.6666,
    .opts_size = sizeof(T),
    .slots = 10,
    .options = options,
    .example = "{\"account\": \"account\", \"container\": \"container\", \"key\": \"a2V5\"}",
    .check = azure_store_check,
    .run = IN_WORKER(azure_store_run),
    .undo = IN_WORKER(azure_undo),
    .trial = IN_WORKER(azure_try),
};
