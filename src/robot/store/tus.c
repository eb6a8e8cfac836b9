/* /tus/store: upload files to a tus server. */
#include "http/address.h"
#include "transfer/tus_client.h"
#include "transfer/values.h"

#include <openssl/evp.h>
#include <string.h>

#define METADATA_MAX 40      /* entries */
#define METADATA_BYTES 6000  /* of the header: servers and what stands before them take 8 KB */

struct tus_opts {
    const char *endpoint, *credentials;
    json_t *headers, *metadata;
    struct store_urls urls;
};
#define T struct tus_opts
static const struct option options[] = {
    OPT_STR(T, endpoint, .required = true, .example = "\"https://tus.example/files/\"",
            .help = "Address at which the tus server makes uploads."),
    OPT_STR(T, credentials, .help = "Name of stored credentials of type http, which hold headers."),
    OPT_JSON(T, headers, .def_str = "{}", .example = "{\"X-Team\": \"a\"}",
             .help = "Further headers of every request to the endpoint's server."),
    OPT_JSON(T, metadata, .each = true, .example = "{\"filename\": \"a\"}",
             .other_default = "the contract's is an example, and counts as left out",
             .help = "What the server is told of the file (Upload-Metadata), a map of texts. Left out: filename, "
                     "basename and extension of the file."),
    STORE_URL_OPTIONS(T, urls, NULL, NULL),
    OPT_END,
};

/* The protocol's own. */
static const char *const reserved[] = {"content-type",    "tus-resumable",   "upload-checksum", "upload-concat",
                                       "upload-defer-length", "upload-length", "upload-metadata", "upload-offset",
                                       NULL};

static int check_metadata(const json_t *metadata, struct err *err)
{
    const char *key;
    json_t *v;

    if (value_text_map(metadata, "metadata", METADATA_MAX, err) < 0)
        return -1;
    json_object_foreach ((json_t *)metadata, key, v)
        for (const char *p = key; *p; p++)
            if (*p <= ' ' || *p > '~' || *p == ',')
                return err_set(err, ERR_ROBOT_VALIDATION,
                               "'metadata' has the key '%.80s', but keys are of printable ASCII without blanks and "
                               "commas",
                               key);
    return 0;
}

static int tus_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;
    AUTO(json_unref) json_t *lines = json_array();

    if ((str_given(o->endpoint) || !partial) && (!o->endpoint || !value_is_web(o->endpoint)))
        return err_set(err, ERR_ROBOT_VALIDATION, "'endpoint' is not an http or https address");
    if (value_headers(lines, o->headers, err) < 0 || value_headers_reserved(lines, reserved, err) < 0)
        return -1;
    return o->metadata ? check_metadata(o->metadata, err) : 0;
}

/* ---- in the worker ---- */

struct storing {
    struct tus_client *client;
    const T *opts;
    char *url; /* of the upload that was made last */
};

/* Schemas of the official clients write it out as a default. */
static bool is_example(const json_t *metadata)
{
    AUTO(json_unref)
    json_t *example = json_pack("{s:s,s:s,s:s}", "filename", "example.png", "basename", "example", "extension", "png");

    return json_equal((json_t *)metadata, example);
}

static void add_pair(struct str *out, const char *key, const char *value)
{
    size_t len = strlen(value);
    AUTO(mem_free) char *coded = mem_alloc(len / 3 * 4 + 8);

    EVP_EncodeBlock((unsigned char *)coded, (const unsigned char *)value, (int)len);
    str_addf(out, "%s%s%s%s", out->len ? "," : "", key, len ? " " : "", coded);
}

/* What the header says of this input. */
static int metadata_of(struct str *out, const T *o, const struct remote_file *f, struct err *err)
{
    const json_t *own = o->metadata ? json_object_get(f->in->params, "metadata") : NULL;
    const json_t *metadata = own ? own : o->metadata;
    const char *key;
    json_t *v;

    if (metadata && check_metadata(metadata, err) < 0)
        return robot_refusal(err, robot_of_job(f->job));
    if (!metadata || is_example(metadata)) {
        add_pair(out, "filename", f->in->name);
        add_pair(out, "basename", f->in->basename);
        add_pair(out, "extension", f->in->ext);
    } else {
        json_object_foreach ((json_t *)metadata, key, v) {
            AUTO(mem_free) char *text = value_text(v);

            add_pair(out, key, text);
        }
    }
    if (out->len <= METADATA_BYTES)
        return 0;
    err_set(err, ERR_ROBOT_VALIDATION, "'metadata' has %zu bytes as it is sent, but at most %d go", out->len,
            METADATA_BYTES);
    robot_code_invalid(err->name, robot_of_job(f->job));
    return -1;
}

static int tus_put(void *ctx, struct remote_file *f, struct err *err)
{
    struct storing *s = ctx;
    AUTO(str_done) struct str metadata = {0};

    free(take(s->url));
    return metadata_of(&metadata, s->opts, f, err) < 0
               ? -1
               : tus_upload(&s->url, s->client, f, metadata.s ? metadata.s : "", err);
}

static void tus_address(void *ctx, const struct remote_file *f, struct str *url, struct str *ssl_url)
{
    const struct storing *s = ctx;
    const struct store_urls *t = &s->opts->urls;
    AUTO(mem_free) char *host = address_host(s->url);
    AUTO(mem_free) char *path = address_path(s->url);
    const struct remote_word words[] = {{"HOST", host}, {"PATH", path}, {0}};

    (void)f;
    if (str_given(t->url_template))
        remote_fill(url, t->url_template, words);
    else
        str_puts(url, s->url);
    if (str_given(t->ssl_url_template))
        remote_fill(ssl_url, t->ssl_url_template, words);
    else if (str_starts(url->s, "https://"))
        str_puts(ssl_url, url->s);
}

static int tus_begin(struct tus_client *c, struct robot_job *job, const T *o, struct err *err)
{
    json_t *lines = json_array();

    arena_defer(robot_arena(job), (void (*)(void *))json_decref, lines);
    if (value_headers(lines, o->headers, err) < 0 || value_headers_reserved(lines, reserved, err) < 0)
        return robot_refusal(err, robot_of_job(job));
    return tus_client_open(c, job, o->endpoint, lines, err);
}

static int tus_run(struct robot_job *job, const void *opts, struct err *err)
{
    static const struct remote_protocol protocol = {.put = tus_put, .address = tus_address};
    AUTO(tus_client_done) struct tus_client c = {0};
    struct storing s = {.client = &c, .opts = opts};

    if (tus_begin(&c, job, opts, err) < 0)
        return -1;
    /* the server says where it lies */
    int rc = remote_store(job, &protocol, &s, &(struct store_opts){.path = ""}, err);
    free(s.url);
    return rc;
}

static int tus_take_back(struct robot_job *job, const void *opts, const json_t *token, struct err *err)
{
    AUTO(tus_client_done) struct tus_client c = {0};

    return tus_begin(&c, job, opts, err) < 0 ? -1 : tus_undo(&c, token, err);
}

const struct robot robot_store_tus = {
    .name = "/tus/store",
    .summary = "Upload files to a tus server",
    .role = ROLE_TRANSFER,
    .is_store = true,
    .credentials = "http",
    .price_factor = 10,
    .opts_size = sizeof(T),
    .slots = 10,
    .options = options,
    .example = "{\"endpoint\": \"https://tus.example/files/\"}",
    .check = tus_check,
    .run = IN_WORKER(tus_run),
    .undo = IN_WORKER(tus_take_back),
};
