/* What qpdf, pdfinfo, pdfimages and pdftotext print of a PDF of anybody's. The first byte says who printed it. */
#include "fuzz.h"
#include "media/pdf_said.h"

#include <math.h>
#include <string.h>

static void try_look(struct bytes *b)
{
    AUTO(mem_free) char *said = take_rest(b);
    struct pdf_facts f;
    struct err err = {0};

    if (pdf_said_look(&f, said, "a.pdf", &err) < 0)
        CHECK(err.code == ERR_INPUT && err.msg[0]);
    else
        CHECK(f.locked ? !f.pages && !f.encrypted : f.pages >= 1 && f.pages <= PDF_PAGES_MAX);
}

static void try_box(struct bytes *b)
{
    AUTO(mem_free) char *said = take_rest(b);
    double w, h;

    if (pdf_said_box(&w, &h, said))
        CHECK(isfinite(w) && isfinite(h) && w >= 0 && h >= 0);
}

static void try_images(struct bytes *b)
{
    while (b->left) {
        AUTO(mem_free) char *line = take_line(b);
        struct pdf_image i;

        if (!pdf_said_image(&i, line))
            continue;
        CHECK(i.page >= 1 && i.number >= 0 && i.width >= 0 && i.height >= 0);
        CHECK(i.object >= -1 && i.generation >= 0 && (i.object >= 0 || !i.generation));
        CHECK(i.kind == PDF_IMAGE || i.kind == PDF_STENCIL || i.kind == PDF_MASK || i.kind == PDF_SMASK);
        CHECK(isfinite(i.bytes) && i.bytes >= 0);
    }
}

enum { PAGES = 5 };

static void try_pages(struct bytes *b)
{
    struct str pages[PAGES] = {0};
    int64_t count = 1 + (int64_t)take_below(b, PAGES);
    size_t all = 0;
    bool whole = pdf_said_pages(pages, count, (const char *)b->p, b->left);

    for (int i = 0; i < PAGES; i++) {
        const struct str *p = &pages[i];

        all += p->len;
        CHECK(!p->len || (whole && i < count && strlen(p->s) == p->len && utf8_valid(p->s, p->len)));
        CHECK(!p->len || (p->len > 1 && p->s[p->len - 1] == '\n' && !strchr("\n ", p->s[p->len - 2])));
        CHECK(!p->len || count == 1 || !strchr(p->s, '\f'));
        str_done(*p);
    }
    CHECK(all <= 3 * b->left + (size_t)count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static void (*const ways[])(struct bytes *) = {try_look, try_box, try_images, try_pages};
    struct bytes b = {data, len};

    ways[take_below(&b, ARRAY_LEN(ways))](&b);
    return 0;
}
