/* /document/merge: several PDFs, one behind the other, become one. */
#include "base/str.h"
#include "media/pdf.h"
#include "robot/order.h"

#include <string.h>

enum { MOST_PASSWORDS = 1000 };

struct merge_opts {
    json_t *input_passwords;
    const char *output_password;
    int sort_by;
};
#define T struct merge_opts
static const struct option options[] = {
    OPT_JSON(T, input_passwords, .def_str = "[]", .secret = true, .example = "[\"opensesame\"]",
             .help = "Passwords of the inputs, in the order in which they are merged; \"\" for one "
                     "that has none."),
    OPT_STR(T, output_password, .secret = true, .example = "\"opensesame\"",
            .help = "Password that opens the result, which is encrypted (AES, 256 bits). Left out: "
                    "it is not."),
    OPT_ENUM(T, sort_by, choices_order, .def = ORDER_AUTO, .example = "\"import_order\"",
             .help = "Of files without a number in `as` (`document_1`...): by name, 2 before 10, "
                     "or as they came."),
    OPT_END,
};

static int document_merge_check_password(const char *name, const char *text, struct err *err)
{
    if (text && strlen(text) <= PDF_PASSWORD_MAX)
        return 0;
    return err_set(err, ERR_ROBOT_VALIDATION, "'%s': a password is a text of at most %d bytes",
                   name, PDF_PASSWORD_MAX);
}

static int document_merge_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;
    json_t *v;
    size_t i;

    (void)partial; /* what is not known yet holds its default, which is right */
    if (!json_is_array(o->input_passwords) || json_array_size(o->input_passwords) > MOST_PASSWORDS)
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'input_passwords' must be a list of at most %d texts", MOST_PASSWORDS);
    json_array_foreach (o->input_passwords, i, v)
        if (document_merge_check_password("input_passwords", json_string_value(v), err) < 0)
            return -1;
    return o->output_password
               ? document_merge_check_password("output_password", o->output_password, err)
               : 0;
}

/* The k-th of what is merged; adds it to pages. */
static int document_merge_add(json_t *pages, struct robot_job *job, const T *o,
                              const struct robot_input *in, size_t k, int64_t *count,
                              struct err *err)
{
    const char *password = json_string_value(json_array_get(o->input_passwords, k));
    struct pdf_facts facts;

    if (strcmp(in->mime, PDF_MIME) != 0)
        return robot_fail(job, err, ERR_INPUT, "UNSUPPORTED_CONVERSION",
                          "'%.100s' is no PDF: its type is %.60s", in->name,
                          *in->mime ? in->mime : "unknown");
    if (pdf_look(&facts, job, in->path, password, in->name, err) < 0)
        return -1;
    if (facts.locked)
        return robot_fail(job, err, ERR_INPUT, "VALIDATION",
                          "'%.100s', which comes as number %zu, is locked, and 'input_passwords' "
                          "has no password there "
                          "that opens it",
                          in->name, k + 1);
    *count += facts.pages;
    if (*count > PDF_PAGES_MAX)
        return err_set(err, ERR_INPUT, "the result would have more than %d pages", PDF_PAGES_MAX);
    json_t *one = json_pack("{s:s,s:s}", "file", in->path, "range", "1-z");
    if (str_given(password))
        jset(one, "password", password);
    json_array_append_new(pages, one);
    return 0;
}

/* Title, bookmarks and what else is not of a page are the first one's. Its encryption is not. */
static json_t *document_merge_job(const T *o, const char *first, const char *out, json_t *pages)
{
    const char *password = json_string_value(json_array_get(o->input_passwords, 0));
    json_t *what =
        json_pack("{s:s,s:s,s:O}", "inputFile", first, "outputFile", out, "pages", pages);

    if (str_given(password))
        jset(what, "password", password);
    if (str_given(o->output_password)) {
        json_object_set_new(what, "encrypt",
                            json_pack("{s:s,s:s,s:{}}", "userPassword", o->output_password,
                                      "ownerPassword", o->output_password, "256bit"));
    } else {
        jset(what, "decrypt", "");
        jset(what, "deterministicId", "");
    }
    return what;
}

static int document_merge_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    size_t n = (size_t)robot_input_count(job),
           *order = arena_alloc(robot_arena(job), n * sizeof *order);
    const char *out = robot_out_path(job, "pdf");
    AUTO(json_unref) json_t *pages = json_array();
    int64_t count = 0;

    order_inputs(order, job, "document_", o->sort_by != ORDER_IMPORT);
    for (size_t k = 0; k < n; k++) {
        if (document_merge_add(pages, job, o, robot_input(job, (int)order[k]), k, &count, err) < 0)
            return -1;
        robot_progress(job, 0.7 * (double)(k + 1) / (double)n);
    }
    if (pdf_write(job, document_merge_job(o, robot_input(job, (int)order[0])->path, out, pages),
                  err) < 0)
        return -1;
    struct robot_output result = {
        .path = out, .ext = "pdf", .mime = PDF_MIME, .input = (int)order[0]};
    if (str_given(o->output_password)) { /* nobody here can look into it any more */
        result.meta = json_pack("{s:I}", "page_count", (json_int_t)count);
        result.meta_complete = true;
    }
    return robot_emit(job, &result, err);
}

const struct robot robot_document_merge = {
    .name = "/document/merge",
    .summary = "Join PDFs into one",
    .takes = {"document", "document_*"},
    .codes = "UNSUPPORTED_CONVERSION",
    .role = ROLE_MEDIA,
    .price_factor = 1,
    .min_charge = 1048576,
    .slots = 10,
    .opts_size = sizeof(T),
    .options = options,
    .check = document_merge_check,
    .run = IN_WORKER(document_merge_run),
};
