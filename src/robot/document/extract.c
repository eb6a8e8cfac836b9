/* /document/extract: the text and the pictures in a PDF. */
#include "base/file.h"
#include "base/map.h"
#include "base/str.h"
#include "media/ocr.h"
#include "media/pdf.h"
#include "media/pdf_images.h"
#include "media/pdf_page.h"
#include "media/pdf_text.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGES_MOST = 1000, JPEG_QUALITY = 92, ENTRIES_MOST = 10 };
enum extract_what { EXTRACT_TEXT = 1, EXTRACT_IMAGES = 2 };
enum extract_method { METHOD_NATIVE, METHOD_OCR, METHOD_AUTO };

struct extract_opts {
    json_t *extract;
    const char *page_range, *password, *ocr_provider;
    int text_method, image_format; /* enum extract_method, enum pdf_images_as */
    int text_format, text_granularity;
    int64_t min_image_width, min_image_height, min_image_bytes;
    bool dedupe_images, include_image_masks;
};
#define T struct extract_opts

static const struct opt_choice extract_methods[] = {
    {"native", METHOD_NATIVE}, {"ocr", METHOD_OCR}, {"auto", METHOD_AUTO}, {0}};
static const struct opt_choice extract_text_formats[] = {{"txt", 0}, {"json", 1}, {0}};
static const struct opt_choice extract_granularities[] = {{"document", 0}, {"page", 1}, {0}};
static const struct opt_choice extract_image_formats[] = {
    {"auto", PDF_AS_SHOWN}, {"original", PDF_AS_STORED}, {"png", PDF_AS_PNG}, {"jpg", PDF_AS_JPEG}, {0}};

static const struct option options[] = {
    OPT_JSON(T, extract, .def_str = "[\"text\",\"images\"]", .example = "\"text\"",
             .help = "What to take out: \"text\", \"images\", or a list of both."),
    OPT_STR(T, page_range,
            .pattern = "^[[:space:]]*[0-9]+([[:space:]]*-[[:space:]]*[0-9]+)?"
                       "([[:space:]]*,[[:space:]]*[0-9]+([[:space:]]*-[[:space:]]*[0-9]+)?)*[[:space:]]*$",
            .example = "\"1,3-5\"",
            .help = "Pages and ranges, counted from 1; those that the document does not have are left out. Left out: "
                    "all."),
    OPT_STR(T, password, .secret = true, .help = "Password that opens the PDF."),
    OPT_ENUM(T, text_method, extract_methods, .def = METHOD_NATIVE,
             .help = "native: the text that is in the file; ocr: what is read on its pages; auto: read only pages "
                     "without text in them."),
    OPT_STR(T, ocr_provider, .pattern = "^(aws|gcp)$", .example = "\"aws\"", .idle = "texts are read on this server",
            .help = "Accepted and ignored: texts are read on this server."),
    OPT_ENUM(T, text_format, extract_text_formats, .def = 0, .help = "A text file, or a JSON file."),
    OPT_ENUM(T, text_granularity, extract_granularities, .def = 0,
             .help = "One file for the whole text, or one for each page."),
    OPT_ENUM(T, image_format, extract_image_formats, .def = PDF_AS_SHOWN,
             .help = "auto: JPEG and JPEG 2000 as they are, all else as PNG; original: the same, but CMYK as TIFF; "
                     "png, jpg: all as that."),
    OPT_INT(T, min_image_width, .max = 1e15, .unit = "px", .help = "Leave narrower images out."),
    OPT_INT(T, min_image_height, .max = 1e15, .unit = "px", .help = "Leave lower images out."),
    OPT_INT(T, min_image_bytes, .max = 1e15, .unit = "bytes", .help = "Leave images out whose file is smaller."),
    OPT_BOOL(T, dedupe_images, .def = true, .help = "Of files that are the same, byte by byte, give one."),
    OPT_BOOL(T, include_image_masks, .def = false,
             .help = "Give masks as images as well: which part of another image is seen."),
    OPT_END,
};

/* ---- what is asked for ---- */

static int extract_entry(const json_t *v)
{
    const char *s = json_string_value(v);

    return !s ? 0 : !strcmp(s, "text") ? EXTRACT_TEXT : !strcmp(s, "images") ? EXTRACT_IMAGES : 0;
}

/* 0: it is neither one nor a list of such. */
static int extract_what(const json_t *v)
{
    int all = 0, one;
    json_t *item;
    size_t i;

    if (!json_is_array(v))
        return extract_entry(v);
    if (json_array_size(v) > ENTRIES_MOST)
        return 0;
    json_array_foreach (v, i, item) {
        if (!(one = extract_entry(item)))
            return 0;
        all |= one;
    }
    return all;
}

static int extract_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;
    const char *at = o->page_range ? o->page_range : "";
    int64_t first, last;
    int rc;

    (void)partial; /* what is not known yet holds its default, which is right */
    if (!extract_what(o->extract))
        return err_set(err, ERR_ROBOT_VALIDATION, "'extract' must be \"text\", \"images\" or a list of them");
    while ((rc = page_list_next(&first, &last, &at)) > 0)
        continue;
    if (rc < 0)
        return err_set(err, ERR_ROBOT_VALIDATION, "'page_range' must be pages and ranges like 1,3-5, counted from 1");
    if (str_given(o->password) && strlen(o->password) > PDF_PASSWORD_MAX)
        return err_set(err, ERR_ROBOT_VALIDATION, "'password' may have %d bytes", PDF_PASSWORD_MAX);
    return 0;
}

/* ---- the document ---- */

struct extracting {
    struct robot_job *job;
    const T *o;
    const struct robot_input *in;
    const char *path; /* of what is read: the input, or its contents without encryption */
    struct media_limits limits;
    int64_t page[PAGES_MOST]; /* each once, in their order */
    int64_t count;
    double told, upto; /* of the progress: before and after what is done now */

    struct map drawn; /* objects that were taken, and digests of files that were handed over */
    int given;
};

static void extract_tell(struct extracting *w, int64_t done)
{
    robot_progress(w->job, w->told + (w->upto - w->told) * (double)done / (double)w->count);
}

static int extract_pages(struct extracting *w, int64_t of, struct err *err)
{
    bool *wanted = arena_alloc(robot_arena(w->job), (size_t)(of + 1) * sizeof *wanted);
    const char *at = w->o->page_range;
    int64_t first = 1, last = of, count = 0;

    memset(wanted, 0, (size_t)(of + 1) * sizeof *wanted);
    while (!at || page_list_next(&first, &last, &at) > 0) { /* the check has seen its form */
        int64_t from = first < last ? first : last, to = first < last ? last : first;

        for (int64_t i = from; i <= to && i <= of; i++)
            wanted[i] = true;
        if (!at)
            break;
    }
    for (int64_t i = 1; i <= of; i++)
        if (wanted[i] && count++ < PAGES_MOST)
            w->page[w->count++] = i;
    if (!count)
        return robot_fail(w->job, err, ERR_INPUT, "VALIDATION",
                          "'page_range' names no page of '%.100s', which has %lld", w->in->name, (long long)of);
    if (count > PAGES_MOST)
        return robot_fail(w->job, err, ERR_INPUT, "VALIDATION",
                          "these are %lld pages of '%.100s', the most is %d: 'page_range' can name some",
                          (long long)count, w->in->name, PAGES_MOST);
    return 0;
}

/* Programs of poppler's take passwords as arguments only, which are for everybody on the machine to read. */
static int extract_open(struct extracting *w, struct err *err)
{
    const char *password = w->o->password;
    struct pdf_facts facts;

    if (pdf_look(&facts, w->job, w->in->path, password, w->in->name, err) < 0)
        return -1;
    if (facts.locked)
        return robot_fail(w->job, err, ERR_INPUT, "VALIDATION", "'%.100s' is locked, and 'password' %s", w->in->name,
                          str_given(password) ? "does not open it" : "is not given");
    if (extract_pages(w, facts.pages, err) < 0)
        return -1;
    w->path = facts.encrypted ? robot_out_path(w->job, "pdf") : w->in->path;
    if (!facts.encrypted)
        return 0;
    json_t *what = json_pack("{s:s,s:s,s:s}", "inputFile", w->in->path, "outputFile", w->path, "decrypt", "");
    if (str_given(password))
        jset(what, "password", password);
    return pdf_write(w->job, what, err);
}

/* How many pages from the i-th stand side by side. */
static int64_t extract_row(const struct extracting *w, int64_t i)
{
    int64_t n = 1;

    while (i + n < w->count && w->page[i + n] == w->page[i] + n)
        n++;
    return n;
}

/* ---- text ---- */

struct extract_texts {
    struct str of[PAGES_MOST];
};

static void extract_texts_free(struct extract_texts *t)
{
    for (size_t i = 0; t && i < PAGES_MOST; i++)
        str_done(t->of[i]);
    free(t);
}
DEFINE_AUTO(struct extract_texts *, extract_texts_free)

static int extract_ocr(struct str *out, struct extracting *w, int64_t page, struct err *err)
{
    const struct pdf_page how = {.limits = &w->limits, .page = page, .dpi = OCR_DPI};
    AUTO(image_free) struct image *img = NULL;
    AUTO(ocr_done) struct ocr found = {0};

    if (pdf_draw(&img, w->job, w->path, &how, err) < 0 ||
        ocr_read(&found, w->job, img, OCR_DPI, (int)page, 1, err) < 0)
        return -1;
    ocr_text(out, &found);
    return 0;
}

static int extract_read(struct extract_texts *t, struct extracting *w, struct err *err)
{
    int method = w->o->text_method;
    size_t left = PDF_TEXT_MAX;

    for (int64_t i = 0, n; method != METHOD_OCR && i < w->count; i += n) {
        n = extract_row(w, i);
        if (pdf_text(&t->of[i], w->job, w->path, w->page[i], w->page[i] + n - 1, &left, err) < 0)
            return -1;
    }
    for (int64_t i = 0; method != METHOD_NATIVE && i < w->count; i++) {
        if (!t->of[i].len && extract_ocr(&t->of[i], w, w->page[i], err) < 0)
            return -1;
        extract_tell(w, i + 1);
    }
    return 0;
}

/* what (stolen) is the same as JSON. page 0: of all. */
static int extract_emit_text(struct extracting *w, const struct str *text, json_t *what, int64_t page, struct err *err)
{
    AUTO(json_unref) json_t *all = what;
    AUTO(mem_free) char *dump = json_text(all);
    bool json = w->o->text_format;
    const char *ext = json ? "json" : "txt", *path = robot_out_path(w->job, ext), *name = w->in->basename;

    if (file_make(path, json ? dump : text->s, json ? strlen(dump) : text->len, err) < 0)
        return -1;
    name = page ? arena_printf(robot_arena(w->job), "%.200s-page-%lld.%s", name, (long long)page, ext)
                : arena_printf(robot_arena(w->job), "%.240s.%s", name, ext);
    return robot_emit(w->job,
                      &(struct robot_output){.path = path,
                                             .name = name,
                                             .ext = ext,
                                             .mime = json ? "application/json" : "text/plain",
                                             .meta = page ? json_pack("{s:I}", "page", (json_int_t)page) : NULL},
                      err);
}

static json_t *extract_string(const struct str *s) { return json_stringn(s->s ? s->s : "", s->len); }

/* Between two pages there is a form feed. */
static int extract_one_text(struct extracting *w, const struct extract_texts *t, struct err *err)
{
    AUTO(str_done) struct str all = {0};
    json_t *pages = json_array();

    for (int64_t i = 0; i < w->count; i++) {
        if (i)
            str_putc(&all, '\f');
        str_puts(&all, t->of[i].s ? t->of[i].s : "");
        json_array_append_new(pages, json_integer(w->page[i]));
    }
    return extract_emit_text(w, &all, json_pack("{s:o,s:o}", "pages", pages, "text", extract_string(&all)), 0, err);
}

static int extract_text(struct extracting *w, struct err *err)
{
    AUTO(extract_texts_free) struct extract_texts *t = mem_zalloc(sizeof *t);

    if (extract_read(t, w, err) < 0)
        return -1;
    if (!w->o->text_granularity)
        return extract_one_text(w, t, err);
    for (int64_t i = 0; i < w->count; i++)
        if (extract_emit_text(w, &t->of[i],
                              json_pack("{s:I,s:o}", "page", (json_int_t)w->page[i], "text",
                                        extract_string(&t->of[i])),
                              w->page[i], err) < 0)
            return -1;
    return 0;
}

/* ---- pictures ---- */

/* Was key there already? */
static bool extract_again(struct extracting *w, const char *key)
{
    static char here;

    return w->o->dedupe_images && map_put(&w->drawn, key, &here);
}

/* What is drawn a second time need not be taken out a second time. */
static bool extract_wants(struct extracting *w, const struct pdf_image *i)
{
    if (((i->kind == PDF_MASK || i->kind == PDF_SMASK) && !w->o->include_image_masks) ||
        i->width < w->o->min_image_width || i->height < w->o->min_image_height)
        return false;
    return i->object < 0 ||
           !extract_again(w, arena_printf(robot_arena(w->job), "%lld %lld %d", (long long)i->object,
                                          (long long)i->generation, i->kind));
}

static void extract_md_free(EVP_MD_CTX *m) { EVP_MD_CTX_free(m); }
DEFINE_AUTO(EVP_MD_CTX *, extract_md_free)

static int extract_digest(char hex[static 65], const char *path, struct err *err)
{
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    AUTO(extract_md_free) EVP_MD_CTX *md = EVP_MD_CTX_new();
    AUTO(mem_free) char *buf = mem_alloc(256 * 1024);
    unsigned char sum[EVP_MAX_MD_SIZE];
    ssize_t n;

    if (fd < 0 || !EVP_DigestInit_ex(md, EVP_sha256(), NULL))
        return err_errno(err, "open an image");
    while ((n = read(fd, buf, 256 * 1024)) > 0)
        EVP_DigestUpdate(md, buf, (size_t)n);
    if (n < 0)
        return err_errno(err, "read an image");
    EVP_DigestFinal_ex(md, sum, NULL);
    hex_encode(hex, sum, 32);
    return 0;
}

static int extract_jpeg(const char **path, const char **ext, struct extracting *w, struct err *err)
{
    static const struct color white = {255, 255, 255, 255};
    const char *from = *path, *to = robot_out_path(w->job, "jpg");
    AUTO(image_free) struct image *img = NULL;

    if (image_open(&img, from, &(struct image_load){.limits = w->limits}, err) < 0 ||
        image_flatten(img, white, err) < 0 ||
        image_save(img, to, &(struct image_save){.format = "jpg", .quality = JPEG_QUALITY}, err) < 0)
        return -1;
    unlink(from);
    *path = to;
    *ext = "jpg";
    return 0;
}

static int extract_emit_image(struct extracting *w, const struct pdf_image *i, const char *path, const char *ext,
                              struct err *err)
{
    char hex[65];
    struct stat st;

    if (w->o->image_format == PDF_AS_JPEG && strcmp(ext, "jpg") != 0 && extract_jpeg(&path, &ext, w, err) < 0)
        return -1;
    if (stat(path, &st) < 0)
        return err_errno(err, "look at an image");
    if (extract_digest(hex, path, err) < 0)
        return -1;
    if (st.st_size < w->o->min_image_bytes || extract_again(w, hex))
        return unlink(path) < 0 ? err_errno(err, "remove an image") : 0;
    const char *own = robot_out_path(w->job, ext);
    if (rename(path, own) < 0)
        return err_errno(err, "rename an image");
    const struct robot_output out = {
        .path = own,
        .name = arena_printf(robot_arena(w->job), "%.200s-image-%d.%s", w->in->basename, w->given, ext),
        .ext = ext,
        .meta = json_pack("{s:I,s:i}", "page", (json_int_t)i->page, "image_index", w->given)};
    w->given++;
    return robot_emit(w->job, &out, err);
}

/* row[n]: what one page draws. */
static int extract_page(struct extracting *w, const struct pdf_image *row, size_t n, struct err *err)
{
    AUTO(mem_free) char *wanted = mem_zalloc(n);
    const char *base, *ext, *path;
    size_t any = 0;

    for (size_t i = 0; i < n; i++)
        any += (size_t)(wanted[i] = extract_wants(w, &row[i]));
    if (!any)
        return 0;
    if (pdf_images_take(&base, w->job, w->path, row->page, (enum pdf_images_as)w->o->image_format, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        path = pdf_images_file(&ext, w->job, base, row[i].number - row->number);
        if (!path && wanted[i])
            return err_set(err, ERR_INPUT, "an image of page %lld is too damaged to be taken out",
                           (long long)row->page);
        if (path && (wanted[i] ? extract_emit_image(w, &row[i], path, ext, err) : unlink(path)) < 0)
            return -1;
    }
    return 0;
}

static int extract_images(struct extracting *w, struct err *err)
{
    AUTO(pdf_images_done) struct pdf_images all = {0};

    for (int64_t i = 0, n; i < w->count; i += n) {
        n = extract_row(w, i);
        if (pdf_images_list(&all, w->job, w->path, w->page[i], w->page[i] + n - 1, &w->limits, err) < 0)
            return -1;
    }
    for (size_t at = 0, n; at < all.n; at += n) {
        for (n = 1; at + n < all.n && all.row[at + n].page == all.row[at].page;)
            n++;
        if (extract_page(w, &all.row[at], n, err) < 0)
            return -1;
        robot_progress(w->job, w->told + (w->upto - w->told) * (double)(at + n) / (double)all.n);
    }
    return 0;
}

/* ---- all of it ---- */

static int extract_run(struct robot_job *job, const void *opts, struct err *err)
{
    struct extracting *w = arena_alloc(robot_arena(job), sizeof *w);
    int what = extract_what(((const T *)opts)->extract), rc = 0;

    *w = (struct extracting){
        .job = job, .o = opts, .in = robot_input(job, 0), .limits = media_limits(robot_settings(job)), .upto = 1};
    if (extract_open(w, err) < 0)
        return -1;
    if (what & EXTRACT_TEXT) {
        w->upto = what & EXTRACT_IMAGES ? 0.5 : 1;
        rc = extract_text(w, err);
        w->told = w->upto;
        w->upto = 1;
    }
    if (rc == 0 && what & EXTRACT_IMAGES)
        rc = extract_images(w, err);
    map_done(&w->drawn);
    if (w->path != w->in->path)
        unlink(w->path);
    return rc;
}

const struct robot robot_document_extract = {
    .name = "/document/extract",
    .summary = "Take text and images out of PDFs",
    .accepts = PDF_MIME,
    .nothing = "there is no such image in the document",
    .role = ROLE_MEDIA,
    .price_factor = 1,
    .min_charge = 1048576,
    .timeout_s = 7200,
    .slots = 10,
    .opts_size = sizeof(T),
    .options = options,
    .check = extract_check,
    .run = IN_WORKER(extract_run),
};
