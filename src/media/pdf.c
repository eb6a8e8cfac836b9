#include "media/pdf.h"
#include "base/file.h"
#include "base/str.h"
#include "media/pdf_said.h"
#include "media/tool.h"

#include <string.h>
#include <unistd.h>

#define SAID_MAX (64 * 1024) /* bytes */
#define CPU_S                                                                                      \
    120 /* for one document: a page tree may go in circles, or name a page a million times */

/* ---- qpdf ---- */

static int pdf_ask(struct str *said, struct robot_job *job, json_t *what, struct err *err)
{
    AUTO(json_unref) json_t *all = what;
    const char *path = robot_out_path(job, "json");
    const char *const argv[] = {"qpdf", arena_printf(robot_arena(job), "--job-json-file=%s", path),
                                NULL};
    const struct tool t = {
        .argv = argv, .text = said, .text_max = said ? SAID_MAX : 0, .cpu_s = CPU_S};

    jset(all, "warningExit0", "");
    jset(all, "noWarn", "");
    AUTO(mem_free) char *text = json_text(all);
    int rc = file_make(path, text, strlen(text), err) < 0 ? -1 : tool_run(job, &t, err);
    unlink(path); /* with what is secret in it */
    return rc;
}

/* What went wrong with the program, and not with the file. */
static bool pdf_is_ours(const struct err *why)
{
    return why->code == ERR_TIMEOUT || why->exited != 2 || tool_is_stuck();
}

int pdf_write(struct robot_job *job, json_t *what, struct err *err)
{
    struct err why = {0};

    if (pdf_ask(NULL, job, what, &why) == 0)
        return 0;
    *err = why;
    if (!pdf_is_ours(&why)) {
        err_set(err, ERR_INPUT, "the document is too damaged to be written anew");
        memcpy(err->detail, why.detail, sizeof err->detail);
    }
    return -1;
}

/* ---- looking ---- */

int pdf_look(struct pdf_facts *out, struct robot_job *job, const char *path, const char *password,
             const char *name, struct err *err)
{
    AUTO(str_done) struct str said = {0};
    json_t *what =
        json_pack("{s:s,s:s,s:s}", "inputFile", path, "showNpages", "", "showEncryption", "");
    struct err why = {0};

    *out = (struct pdf_facts){0};
    if (str_given(password))
        jset(what, "password", password);
    if (pdf_ask(&said, job, what, &why) < 0) {
        if (pdf_is_ours(&why)) {
            *err = why;
            return -1;
        }
        return err_set(err, ERR_INPUT, "'%.100s' is no PDF that can be opened", name);
    }
    return pdf_said_look(out, said.s, name, err);
}

int pdf_look_open(struct pdf_facts *out, struct robot_job *job, const struct robot_input *in,
                  int64_t most, struct err *err)
{
    if (pdf_look(out, job, in->path, NULL, in->name, err) < 0)
        return -1;
    if (out->locked)
        return err_set(err, ERR_INPUT, "'%.100s' is locked by a password", in->name);
    if (most && out->pages > most)
        return err_set(err, ERR_INPUT,
                       "'%.100s' has %lld pages, the limit is %lld (setting max_frames)", in->name,
                       (long long)out->pages, (long long)most);
    return 0;
}

/* ---- poppler ---- */

int pdf_poppler(struct robot_job *job, const struct tool *t, const char *much, struct err *err)
{
    struct err why = {0};

    if (tool_run(job, t, &why) == 0)
        return 0;
    *err = why;
    if (why.code != ERR_COMMAND || tool_is_stuck() || why.exited < 0 || why.exited >= 126)
        return -1;
    if (why.exited)
        err_set(err, ERR_INPUT, "the document is too damaged: %s can't read it", t->argv[0]);
    else
        err_set(err, ERR_INPUT, "%s", much);
    memcpy(err->detail, why.detail, sizeof err->detail);
    return -1;
}
