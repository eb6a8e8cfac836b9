/* /file/serve: says which file answers a request by URL, and with which headers. The file goes on as it is; the server
 * reads the headers from its meta (robot/served.h) and sends them. */
#include "robot/robot.h"
#include "robot/served.h"
#include "robot/stub.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

struct serve_opts {
    int64_t cache_duration; /* s; -1: not given */
    const char *download_name;
    json_t *headers;
};

#define T struct serve_opts
static const struct option options[] = {
    OPT_INT(T, cache_duration, .min = 0, .max = 315360000, .def = -1, .unit = "s", .nullable = true,
            .help = "How long browsers and caches may keep the answer. Left out: as headers say."),
    OPT_STR(T, download_name, .nullable = true,
            .help = "Name under which a browser saves the file, in the place of showing it."),
    OPT_JSON(T, headers, .def_str = "{}", .other_default = "the contract's are laid below what is given",
             .example = "{\"X-Robots-Tag\": \"noindex\"}",
             .help = "Headers of the answer, by name; they are laid over those that it has by itself."),
    OPT_END,
};
#undef T

static const char *const plain[][2] = {
    {"Access-Control-Allow-Headers", "X-Requested-With, Content-Type, Cache-Control, Accept, Content-Length, "
                                     "Transloadit-Client, Authorization, Range, If-Range"},
    {"Access-Control-Allow-Methods", "POST, GET, PUT, DELETE, OPTIONS"},
    {"Access-Control-Allow-Origin", "*"},
    {"Access-Control-Expose-Headers", "Transloadit-Assembly-URL, Content-Range, Content-Length, Accept-Ranges"},
    {"Cache-Control", "public, max-age=259200, s-maxage=86400"},
    {"Accept-Ranges", "bytes"},
};

/* The schemas of the official clients write out what the hosted service adds by itself: an ellipsis for a value that it
 * knows, and its framing. That asks for nothing. */
static bool asks_for_nothing(const char *name, const json_t *value)
{
    const char *v = json_string_value(value);

    return v && (!strcmp(v, "\u2026") || (!strcasecmp(name, "Transfer-Encoding") && !strcmp(v, "chunked")));
}

static json_t *asked_for(const json_t *headers)
{
    json_t *asked = json_object();
    const char *name;
    json_t *v;

    json_object_foreach ((json_t *)headers, name, v)
        if (!asks_for_nothing(name, v))
            json_object_set(asked, name, v);
    return asked;
}

static int serve_check(const void *opts, bool partial, struct err *err)
{
    const struct serve_opts *o = opts;

    if (partial || !o->headers)
        return 0;
    if (!json_is_object(o->headers))
        return served_headers_check(o->headers, err);
    AUTO(json_unref) json_t *asked = asked_for(o->headers);
    /* what fields bring may hold a line break: so all of it is looked at again when nothing is left to fill in */
    return served_headers_check(asked, err);
}

/* Names of headers know no case. */
static void lay_over(json_t *headers, const char *name, json_t *value)
{
    const char *have;
    json_t *v;
    void *next;

    json_object_foreach_safe(headers, next, have, v) if (!strcasecmp(have, name)) json_object_del(headers, have);
    json_object_set(headers, name, value);
}

static void set_text(json_t *headers, const char *name, const char *value)
{
    AUTO(json_unref) json_t *v = jstring(value);

    lay_over(headers, name, v);
}

/* RFC 6266: a name in ASCII for who knows no better, and the real one. */
static void set_download(json_t *headers, const char *given)
{
    AUTO(str_done) struct str value = {0};
    char name[256];

    str_file_name(name, given);
    str_puts(&value, "attachment; filename=\"");
    for (const char *p = name; *p; p++)
        str_putc(&value, (unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e || strchr("\"\\%", *p) ? '_' : *p);
    str_puts(&value, "\"; filename*=UTF-8''");
    str_add_urlencoded(&value, name, "");
    set_text(headers, "Content-Disposition", value.s);
}

static json_t *headers_for(struct robot_job *job, const struct serve_opts *o)
{
    const struct robot_input *in = robot_input(job, 0);
    AUTO(mem_free) char *type = mem_printf("%s; charset=utf-8", *in->mime ? in->mime : "application/octet-stream");
    AUTO(json_unref) json_t *asked = asked_for(o->headers);
    json_t *headers = json_object();
    const char *name;
    char ages[100];
    json_t *v;

    for (size_t i = 0; i < ARRAY_LEN(plain); i++)
        set_text(headers, plain[i][0], plain[i][1]);
    set_text(headers, "Content-Type", type);
    set_text(headers, "Transloadit-Assembly", robot_assembly_id(job));
    if (o->cache_duration >= 0) {
        snprintf(ages, sizeof ages, "public, max-age=%lld, s-maxage=%lld", (long long)o->cache_duration,
                 (long long)o->cache_duration);
        set_text(headers, "Cache-Control", ages);
    }
    if (str_given(o->download_name))
        set_download(headers, o->download_name);
    json_object_foreach (asked, name, v)
        lay_over(headers, name, v);
    return headers;
}

/* No cache may send anybody on to an address that is over by then: whoever gets it late has half of its time yet. */
static void keep_short(json_t *headers, int64_t left_s)
{
    const char *name, *have = NULL;
    char ages[100];
    json_t *v;

    json_object_foreach (headers, name, v)
        if (!strcasecmp(name, "Cache-Control"))
            have = json_string_value(v);
    if (served_longest_s(have) <= left_s / 2)
        return;
    snprintf(ages, sizeof ages, "%s, max-age=%lld", served_age_s(have) ? "public" : "private", (long long)left_s / 2);
    set_text(headers, "Cache-Control", ages);
}

static int serve_run(struct robot_job *job, const void *opts, struct err *err)
{
    const struct robot_input *in = robot_input(job, 0);
    bool is_stub = str_given(in->stub);
    int64_t left_s = -1;

    if (is_stub && stub_left_s(&left_s, job, in, err) < 0)
        return -1;
    json_t *headers = headers_for(job, opts);
    if (is_stub) /* who asks is sent on */
        set_text(headers, "Location", in->stub);
    if (left_s >= 0)
        keep_short(headers, left_s);
    json_t *meta = json_pack("{s:{s:o}}", SERVED_META, "headers", headers);
    return robot_emit_same(job, 0, meta, err);
}

const struct robot robot_file_serve = {
    .name = "/file/serve",
    .summary = "Answer a request by URL with a file",
    .role = ROLE_MEDIA,
    .flags = ROBOT_SERVES | ROBOT_TAKES_STUBS,
    .price_factor = 4,
    .opts_size = sizeof(struct serve_opts),
    .options = options,
    .check = serve_check,
    .run = IN_WORKER(serve_run),
};
