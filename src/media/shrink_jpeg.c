/* JPEG: what was coded is coded again, better. Nothing is decoded to pixels. */
#include "base/auto.h"
#include "media/damage.h"
#include "media/shrink.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <jpeglib.h>

#include <jerror.h>

#define SCANS_MAX                                                                                  \
    1000 /* an honest picture has some ten; each one more is another walk over all of it */

enum { FAILED = 1, HANDS_OFF };

struct recode {
    struct jpeg_error_mgr base;
    struct jpeg_progress_mgr progress;
    jmp_buf out;
    bool missing; /* picture data that is not in the file */
    char why[JMSG_LENGTH_MAX];
    struct robot_job *job;
    struct jpeg_decompress_struct in;
    struct jpeg_compress_struct to;
};

static void recode_error(j_common_ptr c)
{
    struct recode *r = (struct recode *)c->err;

    c->err->format_message(c, r->why);
    longjmp(r->out, FAILED);
}

static void recode_message(j_common_ptr c, int level)
{
    struct recode *r = (struct recode *)c->err;

    if (level < 0 && (r->base.msg_code == JWRN_HIT_MARKER || r->base.msg_code == JWRN_JPEG_EOF ||
                      r->base.msg_code == JWRN_BOGUS_PROGRESSION))
        r->missing = true;
}

static void recode_progress(j_common_ptr c)
{
    struct recode *r = (struct recode *)c->err;

    if (c->is_decompressor && r->in.input_scan_number > SCANS_MAX) {
        snprintf(r->why, sizeof r->why, "more than %d scans", SCANS_MAX);
        longjmp(r->out, FAILED);
    }
    if (r->job && c->progress->pass_limit > 0)
        robot_progress(r->job,
                       (c->is_decompressor ? 0 : 0.4) + 0.4 * (double)c->progress->pass_counter /
                                                            (double)c->progress->pass_limit);
}

static bool begins(const struct jpeg_marker_struct *m, int app, const char *text, unsigned len)
{
    return m->marker == JPEG_APP0 + app && m->data_length >= len && !memcmp(m->data, text, len);
}

/* More than one picture in the file, found by where they lie: no byte of it may move. */
static bool has_pictures_by_place(const struct jpeg_decompress_struct *c)
{
    for (const struct jpeg_marker_struct *m = c->marker_list; m; m = m->next)
        if (begins(m, 2, "MPF", 4))
            return true;
    return false;
}

static void write_markers(struct recode *r, bool keep_meta, int orientation)
{
    uint8_t exif[6 + SHRINK_EXIF_LEN] = "Exif\0";

    if (!keep_meta && orientation > 1) {
        shrink_exif(exif + 6, orientation);
        jpeg_write_marker(&r->to, JPEG_APP0 + 1, exif, sizeof exif);
    }
    for (const struct jpeg_marker_struct *m = r->in.marker_list; m; m = m->next) {
        bool written = (r->to.write_JFIF_header && begins(m, 0, "JFIF", 5)) ||
                       (r->to.write_Adobe_marker && begins(m, 14, "Adobe", 5)); /* by the library */

        if (!written && (keep_meta || begins(m, 2, "ICC_PROFILE", 12)))
            jpeg_write_marker(&r->to, m->marker, m->data, m->data_length);
    }
}

/* What follows the picture (a film beside it, a maker's notes) is found from the file's end. */
static void append_rest(struct recode *r, FILE *from, FILE *to)
{
    long at = ftell(from) - (long)r->in.src->bytes_in_buffer;
    char buf[16 * 1024];
    size_t n;

    if (at < 0 || fseek(from, at, SEEK_SET) < 0)
        return;
    while ((n = fread(buf, 1, sizeof buf, from)) > 0)
        fwrite(buf, 1, n, to);
}

static void recode_all(struct recode *r, FILE *from, FILE *to, bool progressive, bool keep_meta,
                       int orientation)
{
    jpeg_create_decompress(&r->in);
    jpeg_create_compress(&r->to);
    r->in.progress = r->to.progress = &r->progress;
    jpeg_stdio_src(&r->in, from);
    jpeg_save_markers(&r->in, JPEG_COM, 0xFFFF);
    for (int i = 0; i < 16; i++)
        jpeg_save_markers(&r->in, JPEG_APP0 + i, 0xFFFF);
    jpeg_read_header(&r->in, TRUE);
    if (keep_meta && has_pictures_by_place(&r->in))
        longjmp(r->out, HANDS_OFF);
    jvirt_barray_ptr *coefficients = jpeg_read_coefficients(&r->in);
    jpeg_copy_critical_parameters(&r->in, &r->to);
    r->to.optimize_coding = TRUE;
    if (progressive || r->in.progressive_mode)
        jpeg_simple_progression(&r->to);
    jpeg_stdio_dest(&r->to, to);
    jpeg_write_coefficients(&r->to, coefficients);
    write_markers(r, keep_meta, orientation);
    jpeg_finish_compress(&r->to);
    jpeg_finish_decompress(&r->in);
    if (keep_meta)
        append_rest(r, from, to);
}

int shrink_jpeg(const char *from, const char *to, bool progressive, bool keep_meta, int orientation,
                struct robot_job *job, struct err *err)
{
    AUTO(shrink_close) FILE *in = fopen(from, "rbe"), *out = in ? fopen(to, "wbxe") : NULL;
    struct recode *volatile r = NULL;
    AUTO(mem_free) char *own = mem_zalloc(sizeof *r);
    volatile int rc = 0;

    if (!in || !out)
        return err_errno(err, "'%s'", in ? to : from);
    r = (struct recode *)own;
    r->job = job;
    r->in.err = r->to.err = jpeg_std_error(&r->base);
    r->base.error_exit = recode_error;
    r->base.emit_message = recode_message;
    r->progress.progress_monitor = recode_progress;
    if ((rc = setjmp(r->out)) == 0)
        recode_all(r, in, out, progressive, keep_meta, orientation);
    bool incomplete = r->missing && !damage_jpeg_only_lacks_its_end(fileno(in));
    if (rc == FAILED || (rc == 0 && incomplete))
        rc = err_set(err, ERR_COMMAND, "the JPEG file can't be coded again: %s",
                     rc ? r->why : "a part of the picture is missing");
    else if (rc == 0 && fflush(out) != 0)
        rc = err_errno(err, "write '%s'", to);
    jpeg_destroy_compress(&r->to);
    jpeg_destroy_decompress(&r->in);
    return rc;
}
