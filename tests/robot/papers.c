#include "papers.h"
#include "../unit/unit.h"
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *paper_file(struct robot_job *job, const char *name, const char *bytes, size_t len)
{
    const char *path = host_path(job, name);
    FILE *f = fopen(path, "w");

    fwrite(bytes, 1, len, f);
    assert_int_equal(fclose(f), 0);
    return path;
}

const char *paper_objects(struct robot_job *job, const char *name, const char *const *objects,
                          size_t n)
{
    size_t *at = arena_alloc(robot_arena(job), n * sizeof *at);
    AUTO(str_done) struct str b = {0};

    str_puts(&b, "%PDF-1.4\n");
    for (size_t i = 0; i < n; i++) {
        at[i] = b.len;
        str_addf(&b, "%zu 0 obj\n", i + 1);
        str_puts(&b, objects[i]);
        str_puts(&b, "\nendobj\n");
    }
    size_t table = b.len;
    str_addf(&b, "xref\n0 %zu\n0000000000 65535 f \n", n + 1);
    for (size_t i = 0; i < n; i++)
        str_addf(&b, "%010zu 00000 n \n", at[i]);
    str_addf(&b,
             "trailer<</Root 1 0 R/Size %zu/Info<</Title(A secret "
             "title)/Author(Somebody)>>>>\nstartxref\n%zu\n%%%%EOF\n",
             n + 1, table);
    return paper_file(job, name, b.s, b.len);
}

const char *paper_make(struct robot_job *job, const char *name, const struct paper *pages, size_t n)
{
    struct arena *a = robot_arena(job);
    const char **objects = arena_alloc(a, (3 + 2 * n) * sizeof *objects);
    AUTO(str_done) struct str kids = {0};

    objects[0] = "<</Type/Catalog/Pages 2 0 R>>";
    objects[2] = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>";
    for (size_t i = 0; i < n; i++) {
        const struct paper *p = &pages[i];
        const char *content = p->content ? p->content : "";

        str_addf(&kids, "%zu 0 R ", 4 + 2 * i);
        objects[3 + 2 * i] = arena_printf(a,
                                          "<</Type/Page/Parent 2 0 R/MediaBox[0 0 %d %d]/Contents "
                                          "%zu 0 R/Resources<</Font<</F 3 0 R>>>>%s>>",
                                          p->w, p->h, 5 + 2 * i, p->more ? p->more : "");
        objects[4 + 2 * i] =
            arena_printf(a, "<</Length %zu>>stream\n%s\nendstream", strlen(content), content);
    }
    objects[1] = arena_printf(a, "<</Type/Pages/Kids[%s]/Count %zu>>", kids.s ? kids.s : "", n);
    return paper_objects(job, name, objects, 3 + 2 * n);
}

const char *paper_row(struct robot_job *job, const char *name, int n)
{
    struct paper *pages = arena_alloc(robot_arena(job), (size_t)n * sizeof *pages);

    for (int i = 0; i < n; i++)
        pages[i] = (struct paper){101 + i, 200, PAPER_RED, NULL};
    return paper_make(job, name, pages, (size_t)n);
}

const char *paper_say(struct robot_job *job, const char *command, const char *path)
{
    const char *line = arena_printf(robot_arena(job), "%s '%s'", command, path);
    AUTO(str_done) struct str said = {0};
    char buf[4096];
    size_t n;
    FILE *f = popen(line, "r");

    while ((n = fread(buf, 1, sizeof buf, f)) > 0)
        str_add(&said, buf, n);
    if (pclose(f) != 0)
        fail_msg("%s", line);
    return arena_strdup(robot_arena(job), said.s ? said.s : "");
}

const char *paper_lock(struct robot_job *job, const char *name, const char *path, const char *user,
                       const char *owner)
{
    const char *out = host_path(job, name);

    paper_say(job,
              arena_printf(robot_arena(job),
                           "f() { qpdf \"$1\" --encrypt '%s' '%s' 256 -- '%s'; }; f", user, owner,
                           out),
              path);
    return out;
}

const char *paper_widths(struct robot_job *job, const char *path)
{
    const char *said = paper_say(job, "pdfinfo -f 1 -l 1000", path);
    AUTO(str_done) struct str out = {0};

    for (const char *p = said; (p = strstr(p, "size:")); p++)
        if (p[-1] == ' ' && p >= said + 5 && strncmp(p - 5, "File", 4) != 0)
            str_addf(&out, "%s%d", out.len ? " " : "", atoi(p + 5));
    return arena_strdup(robot_arena(job), out.s ? out.s : "");
}
