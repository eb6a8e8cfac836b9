/* /document/split: some pages of a PDF, in a given order, as a PDF. */
#include "base/str.h"
#include "media/pdf.h"

#include <string.h>

enum { MOST_ENTRIES = 1000, MOST_BYTES = 1000 /* of one */ };

struct split_opts {
    json_t *pages;
};
#define T struct split_opts
static const struct option options[] = {
    OPT_JSON(
        T, pages, .example = "[\"2-4\", \"1\"]",
        .help =
            "Pages and ranges to keep, counted from 1, in the order of the result: \"5\", \"2-4\", "
            "\"4-2\" or a list of such. Left out: all."),
    OPT_END,
};

/* Text or number i of the parameter; NULL: there is no more. */
static const char *document_split_entry(char number[32], const json_t *pages, size_t i)
{
    const json_t *v = json_is_array(pages) ? json_array_get(pages, i) : i ? NULL : pages;

    if (!json_is_integer(v))
        return json_string_value(v);
    snprintf(number, 32, "%lld", (long long)json_integer_value(v));
    return number;
}

/* of 0: only the form is looked at. */
static int document_split_list(struct str *list, int64_t *count, const json_t *pages, int64_t of,
                               struct err *err)
{
    size_t n = json_is_array(pages) ? json_array_size(pages) : 1;
    struct err why;

    if (n < 1 || n > MOST_ENTRIES)
        return err_set(err, ERR_ROBOT_VALIDATION, "'pages' must hold 1 to %d entries",
                       MOST_ENTRIES);
    for (size_t i = 0; i < n; i++) {
        char number[32];
        const char *text = document_split_entry(number, pages, i);

        if (!text || strlen(text) > MOST_BYTES)
            return err_set(err, ERR_ROBOT_VALIDATION,
                           "'pages' must be a text like \"2-4\", or a list of such");
        if (page_list_add(of ? list : NULL, count, text, of, &why) < 0)
            return err_set(err, ERR_ROBOT_VALIDATION, "'pages': %s", why.msg);
    }
    return 0;
}

static int document_split_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;
    int64_t none = 0;

    (void)partial; /* what is not known yet is not given, which is right */
    return o->pages ? document_split_list(NULL, &none, o->pages, 0, err) : 0;
}

static int document_split_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    const struct robot_input *in = robot_input(job, 0);
    const char *out = robot_out_path(job, "pdf");
    AUTO(str_done) struct str list = {0};
    struct pdf_facts facts;
    int64_t count = 0;

    if (pdf_look_open(&facts, job, in, 0, err) < 0)
        return -1;
    robot_progress(job, 0.2);
    if (!o->pages)
        str_puts(&list, "1-z");
    else if (document_split_list(&list, &count, o->pages, facts.pages, err) < 0)
        return -1;
    json_t *what = json_pack("{s:s,s:s,s:[{s:s,s:s}]}", "inputFile", in->path, "outputFile", out,
                             "pages", "file", in->path, "range", list.s);
    if (!facts.encrypted) /* the same pages give the same bytes; not with encryption, which is kept
                           */
        jset(what, "deterministicId", "");
    if (pdf_write(job, what, err) < 0)
        return -1;
    return robot_emit(job, &(struct robot_output){.path = out, .ext = "pdf", .mime = PDF_MIME},
                      err);
}

const struct robot robot_document_split = {
    .name = "/document/split",
    .summary = "Take pages out of a PDF",
    .accepts = PDF_MIME,
    .role = ROLE_MEDIA,
    .price_factor = 1,
    .min_charge = 2097152,
    .slots = 10,
    .opts_size = sizeof(T),
    .options = options,
    .check = document_split_check,
    .run = IN_WORKER(document_split_run),
};
