#include "media/pdf_text.h"
#include "media/pdf.h"
#include "media/pdf_said.h"
#include "media/tool.h"

#define CPU_S 120 /* for one run */

static int pdf_text_run(struct str *said, struct robot_job *job, const char *path, int64_t first, int64_t last,
                        size_t most, struct err *err)
{
    struct arena *a = robot_arena(job);
    const char *const argv[] = {"pdftotext",
                                "-q",
                                "-enc",
                                "UTF-8",
                                "-eol",
                                "unix",
                                "-f",
                                arena_printf(a, "%lld", (long long)first),
                                "-l",
                                arena_printf(a, "%lld", (long long)last),
                                path,
                                "-",
                                NULL};
    const struct tool t = {.argv = argv, .text = said, .text_max = most, .cpu_s = CPU_S};

    return pdf_poppler(job, &t, "its text has more than 32 MB", err);
}

int pdf_text(struct str *texts, struct robot_job *job, const char *path, int64_t first, int64_t last, size_t *left,
             struct err *err)
{
    AUTO(str_done) struct str said = {0};

    if (pdf_text_run(&said, job, path, first, last, *left, err) < 0)
        return -1;
    if (pdf_said_pages(texts, last - first + 1, said.s ? said.s : "", said.len)) {
        *left -= said.len;
        return 0;
    }
    if (first == last)
        return err_set(err, ERR_INPUT, "the document is too damaged: page %lld can't be found", (long long)first);
    for (int64_t page = first; page <= last; page++) /* one by one */
        if (pdf_text(texts + (page - first), job, path, page, page, left, err) < 0)
            return -1;
    return 0;
}
