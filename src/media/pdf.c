#include "media/pdf.h"
#include "base/str.h"
#include "media/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SAID_MAX (64 * 1024) /* bytes */
#define CPU_S                                                                                      \
    120 /* for one document: a page tree may go in circles, or name a page a million times */

/* ---- qpdf ---- */

static int pdf_write_job(const char *path, const json_t *what, struct err *err)
{
    AUTO(fd_close) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    AUTO(mem_free) char *text = json_text(what);
    size_t n = strlen(text), done = 0;

    if (fd < 0)
        return err_errno(err, "open '%s'", path);
    while (done < n) {
        ssize_t k = write(fd, text + done, n - done);

        if (k < 0 && errno != EINTR)
            return err_errno(err, "write '%s'", path);
        done += k > 0 ? (size_t)k : 0;
    }
    return 0;
}

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
    int rc = pdf_write_job(path, all, err) < 0 ? -1 : tool_run(job, &t, err);
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

/* The line that is nothing but a number. */
static int64_t pdf_count(char *said)
{
    char *save = NULL;

    for (char *line = strtok_r(said, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        if (*line && strspn(line, "0123456789") == strlen(line))
            return strtoll(line, NULL, 10);
    return 0;
}

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
    out->locked = said.s && str_starts(said.s, "Incorrect password supplied");
    if (out->locked)
        return 0;
    out->encrypted = !said.s || !strstr(said.s, "File is not encrypted");
    out->pages = said.s ? pdf_count(said.s) : 0;
    if (out->pages < 1)
        return err_set(err, ERR_INPUT, "'%.100s' has no pages", name);
    if (out->pages > PDF_PAGES_MAX)
        return err_set(err, ERR_INPUT, "'%.100s' has %lld pages, the most is %d", name,
                       (long long)out->pages, PDF_PAGES_MAX);
    return 0;
}
