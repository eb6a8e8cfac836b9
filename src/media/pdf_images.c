#include "media/pdf_images.h"
#include "base/str.h"
#include "media/pdf_said.h"
#include "media/tool.h"

#include <inttypes.h>
#include <unistd.h>

#define CPU_S 120              /* for one page, or one list */
#define PAGE_PIXELS 10         /* a page may draw so many times as many as one picture */
#define PAGE_BYTES 2147483648. /* as they are stored: JPEG is copied as it is, each time it is drawn */

void pdf_images_done(struct pdf_images l) { free(l.row); }

/* ---- the list ---- */

struct pdf_listing {
    struct pdf_images *out;
    const struct media_limits *limits;
    int64_t page; /* of the last row, */
    double pixels, bytes; /* and what it draws so far */
};

/* Nothing of a picture is looked at before the program asks for its memory: what is too large must not get there. */
static int pdf_images_bound(struct pdf_listing *l, const struct pdf_image *i, struct err *err)
{
    double most = (double)l->limits->max_pixels, pixels = (double)i->width * (double)i->height;

    if (i->page != l->page)
        l->pixels = l->bytes = 0;
    l->page = i->page;
    l->pixels += pixels;
    l->bytes += i->bytes;
    if (pixels > most)
        return err_set(err, ERR_INPUT,
                       "page %" PRId64 " has an image of %" PRId64 "x%" PRId64 " pixels, the limit is %" PRId64
                       " in all (setting max_pixels)",
                       i->page, i->width, i->height, l->limits->max_pixels);
    if (l->pixels > most * PAGE_PIXELS || l->bytes > PAGE_BYTES)
        return err_set(err, ERR_INPUT,
                       "the images of page %" PRId64 " have more than %.0f pixels (%d times the setting max_pixels) "
                       "or %.0f bytes together",
                       i->page, most * PAGE_PIXELS, PAGE_PIXELS, PAGE_BYTES);
    return 0;
}

static int pdf_images_row(void *ctx, char *line, struct err *err)
{
    struct pdf_listing *l = ctx;
    struct pdf_images *o = l->out;
    struct pdf_image i;

    if (!pdf_said_image(&i, line))
        return 0;
    if (o->n == PDF_IMAGES_MAX)
        return err_set(err, ERR_INPUT, "the pages draw more than %d images", PDF_IMAGES_MAX);
    if (pdf_images_bound(l, &i, err) < 0)
        return -1;
    if (o->n == o->cap) {
        o->cap = o->cap ? o->cap * 2 : 64;
        o->row = mem_realloc(o->row, o->cap * sizeof *o->row);
    }
    o->row[o->n++] = i;
    return 0;
}

int pdf_images_list(struct pdf_images *out, struct robot_job *job, const char *path, int64_t first, int64_t last,
                    const struct media_limits *limits, struct err *err)
{
    struct arena *a = robot_arena(job);
    struct pdf_listing l = {.out = out, .limits = limits};
    const char *const argv[] = {"pdfimages",
                                "-q",
                                "-list",
                                "-f",
                                arena_printf(a, "%" PRId64, first),
                                "-l",
                                arena_printf(a, "%" PRId64, last),
                                path,
                                NULL};

    return pdf_poppler(job, &(struct tool){.argv = argv, .line = pdf_images_row, .line_ctx = &l, .cpu_s = CPU_S},
                       "the list of its images can't be read", err);
}

/* ---- the pictures ---- */

int pdf_images_take(const char **base, struct robot_job *job, const char *path, int64_t page, enum pdf_images_as as,
                    struct err *err)
{
    const char *number = arena_printf(robot_arena(job), "%" PRId64, page);
    const char *argv[16] = {"pdfimages", "-q", "-f", number, "-l", number, "-png"};
    int n = 7;

    *base = robot_out_path(job, "image");
    if (as != PDF_AS_PNG)
        argv[n++] = "-j";
    if (as == PDF_AS_STORED || as == PDF_AS_SHOWN)
        argv[n++] = "-jp2";
    if (as == PDF_AS_STORED)
        argv[n++] = "-tiff";
    argv[n++] = path;
    argv[n++] = *base;
    return pdf_poppler(job, &(struct tool){.argv = argv, .cpu_s = CPU_S}, "", err);
}

const char *pdf_images_file(const char **ext, struct robot_job *job, const char *base, int64_t i)
{
    static const char *const exts[] = {"jpg", "png", "jp2", "tif"};

    for (size_t k = 0; k < ARRAY_LEN(exts); k++) {
        const char *path = arena_printf(robot_arena(job), "%s-%03" PRId64 ".%s", base, i, exts[k]);

        *ext = exts[k];
        if (access(path, F_OK) == 0)
            return path;
    }
    return NULL;
}
