#include "media/pdf_said.h"
#include "base/str.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The line that is nothing but a number. */
static int64_t pdf_count(char *said)
{
    char *save = NULL;

    for (char *line = strtok_r(said, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        if (*line && strspn(line, "0123456789") == strlen(line))
            return strtoll(line, NULL, 10);
    return 0;
}

int pdf_said_look(struct pdf_facts *out, char *said, const char *name, struct err *err)
{
    *out = (struct pdf_facts){.locked = said && str_starts(said, "Incorrect password supplied")};
    if (out->locked)
        return 0;
    out->encrypted = !said || !strstr(said, "File is not encrypted");
    out->pages = said ? pdf_count(said) : 0;
    if (out->pages < 1)
        return err_set(err, ERR_INPUT, "'%.100s' has no pages", name);
    if (out->pages > PDF_PAGES_MAX)
        return err_set(err, ERR_INPUT, "'%.100s' has %lld pages, the most is %d", name, (long long)out->pages,
                       PDF_PAGES_MAX);
    return 0;
}

bool pdf_said_box(double *w, double *h, const char *said)
{
    const char *at = said ? strstr(said, "MediaBox:") : NULL;
    double x1, y1, x2, y2;

    if (!at || sscanf(at + 9, "%lf %lf %lf %lf", &x1, &y1, &x2, &y2) != 4)
        return false;
    *w = fabs(x2 - x1);
    *h = fabs(y2 - y1);
    return isfinite(*w) && isfinite(*h);
}

/* ---- pdfimages ---- */

/* A number of digits alone at *at, behind blanks. */
static bool pdf_number(int64_t *out, const char **at)
{
    const char *p = *at + strspn(*at, " ");
    size_t n = strspn(p, "0123456789");

    if (!n || n > 12 || (p[n] && p[n] != ' '))
        return false;
    *out = strtoll(p, NULL, 10);
    *at = p + n;
    return true;
}

/* A word at *at; *len 0: there is none. */
static const char *pdf_word(size_t *len, const char **at)
{
    const char *p = *at + strspn(*at, " ");

    *len = strcspn(p, " ");
    *at = p + *len;
    return p;
}

static bool pdf_kind(enum pdf_image_kind *out, const char **at)
{
    static const char *const kinds[] = {
        [PDF_IMAGE] = "image", [PDF_STENCIL] = "stencil", [PDF_MASK] = "mask", [PDF_SMASK] = "smask"};
    size_t len;
    const char *word = pdf_word(&len, at);

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (len == strlen(kinds[i]) && !strncmp(word, kinds[i], len)) {
            *out = (enum pdf_image_kind)i;
            return true;
        }
    return false;
}

/* "819B", "30.1K", "1.5M"; 0: it does not say. */
static double pdf_bytes(const char *word)
{
    static const char units[] = "BKMG";
    char *end;
    double v = strtod(word, &end);
    const char *unit = end > word && *end ? strchr(units, *end) : NULL;

    for (; unit && unit > units; unit--)
        v *= 1024;
    return unit && isfinite(v) && v > 0 ? v : 0;
}

/* page num type width height color comp bpc enc interp object ID x-ppi y-ppi size ratio; object and ID may be one
 * word: [inline], [none]. */
bool pdf_said_image(struct pdf_image *out, const char *line)
{
    struct pdf_image i = {.object = -1};
    const char *at = line;
    size_t len;

    if (!pdf_number(&i.page, &at) || !pdf_number(&i.number, &at) || !pdf_kind(&i.kind, &at) ||
        !pdf_number(&i.width, &at) || !pdf_number(&i.height, &at) || !i.page)
        return false;
    for (int skip = 0; skip < 5; skip++)
        (void)pdf_word(&len, &at);
    const char *here = at;
    if (!pdf_number(&i.object, &at) || !pdf_number(&i.generation, &at)) {
        i.object = -1;
        i.generation = 0;
        at = here;
        (void)pdf_word(&len, &at);
    }
    for (int skip = 0; skip < 2; skip++)
        (void)pdf_word(&len, &at);
    i.bytes = pdf_bytes(pdf_word(&len, &at));
    *out = i;
    return true;
}

/* ---- pdftotext ---- */

/* A page's blank end, of one line end or several, is one of them. */
static void pdf_add_page(struct str *out, const char *text, size_t len)
{
    while (len && strchr("\n ", text[len - 1]) && text[len - 1])
        len--;
    if (!len)
        return;
    str_add_utf8(out, text, len);
    str_putc(out, '\n');
}

bool pdf_said_pages(struct str *pages, int64_t count, const char *said, size_t len)
{
    int64_t ends = 0;

    if (!len) /* it has not seen a single page */
        return false;
    if (count == 1) { /* whatever is among its letters */
        pdf_add_page(pages, said, said[len - 1] == '\f' ? len - 1 : len);
        return true;
    }
    for (size_t i = 0; i < len; i++)
        ends += said[i] == '\f';
    if (ends != count || said[len - 1] != '\f')
        return false;
    for (int64_t i = 0; i < count; i++) {
        size_t n = (size_t)((const char *)memchr(said, '\f', len) - said);

        pdf_add_page(&pages[i], said, n);
        said += n + 1;
        len -= n + 1;
    }
    return true;
}
