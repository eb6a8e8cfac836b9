/* /document/ocr: what is written on the pages of a document. */
#include "media/ocr.h"
#include "media/pdf.h"
#include "media/pdf_page.h"

#define USUAL_DPI 150.0 /* places are told in pixels of a page as /document/thumbs draws it */

struct document_ocr_opts {
    struct ocr_opts ocr;
};
#define T struct document_ocr_opts
static const struct option options[] = {
    OPT_GROUP(T, ocr, struct ocr_opts, ocr_options),
    OPT_END,
};

static int document_ocr_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    const struct robot_input *in = robot_input(job, 0);
    const struct media_limits limits = media_limits(robot_settings(job));
    AUTO(ocr_done) struct ocr found = {0};
    struct pdf_facts facts;

    if (pdf_look_open(&facts, job, in, limits.max_frames, err) < 0)
        return -1;
    for (int64_t page = 1; page <= facts.pages; page++) {
        AUTO(image_free) struct image *img = NULL;
        const struct pdf_page how = {.limits = &limits, .page = page, .dpi = OCR_DPI};

        if (pdf_draw(&img, job, in->path, &how, err) < 0 ||
            ocr_read(&found, job, img, OCR_DPI, (int)page, USUAL_DPI / OCR_DPI, err) < 0)
            return -1;
        robot_progress(job, (double)page / (double)facts.pages);
    }
    return ocr_emit(job, &found, &o->ocr, err);
}

const struct robot robot_document_ocr = {
    .name = "/document/ocr",
    .summary = "Read what is written in a PDF",
    .accepts = PDF_MIME,
    .role = ROLE_MEDIA,
    .passes_input = true,
    .price_factor = 1,
    .min_charge = 1048576,
    .timeout_s = 7200,
    .slots = 10,
    .opts_size = sizeof(T),
    .options = options,
    .example = "{\"provider\": \"aws\"}",
    .run = IN_WORKER(document_ocr_run),
};
