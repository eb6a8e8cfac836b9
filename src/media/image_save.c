/* Images into files. */
#include "media/image.h"
#include "media/tool.h"

#include <string.h>
#include <strings.h>
#include <unistd.h>

/* Whether what is written has 16 bits a sample, where the image has. */
static bool stays_deep(const struct image_save *o)
{
    static const char *const shallow[] = {"JPEG", "Group4", "Fax"};
    bool tif = !strcmp(image_canonical(o->format), "tif");

    for (size_t i = 0; tif && o->compress && i < ARRAY_LEN(shallow); i++)
        if (!strcasecmp(o->compress, shallow[i]))
            return false;
    return image_keeps_depth(o->format) && !o->palette && !o->bilevel;
}

static int with_depth(VipsImage *in, VipsImage **out, const struct image_save *how)
{
    return stays_deep(how) ? vips_copy(in, out, NULL) : image_narrow(in, out);
}

static bool is_group4(const struct image_save *o)
{
    return !strcmp(image_canonical(o->format), "tif") && o->compress && !strcasecmp(o->compress, "Group4");
}

/* What fax machines send has one band: of more, libvips writes a file that nobody can read. */
static int one_band(VipsImage *in, VipsImage **out)
{
    VipsObject *ctx = VIPS_OBJECT(vips_image_new());
    VipsImage **t = (VipsImage **)vips_object_local_array(ctx, 2);
    VipsArrayDouble *white = vips_array_double_newv(1, 255.0);
    int rc = vips_image_hasalpha(in) ? vips_flatten(in, &t[0], "background", white, NULL) : vips_copy(in, &t[0], NULL);

    rc = rc || vips_colourspace(t[0], &t[1], VIPS_INTERPRETATION_B_W, NULL) || vips_extract_band(t[1], out, 0, NULL);
    vips_area_unref(VIPS_AREA(white));
    g_object_unref(ctx);
    return rc ? -1 : 0;
}

/* All frames as one image, with the fields a writer looks at. */
static VipsImage *joined(struct image *img, const struct image_save *how)
{
    VipsImage *all = NULL, *copy = NULL;

    if (img->count == 1) {
        if (with_depth(img->frame[0], &all, how))
            return NULL;
    } else if (vips_arrayjoin(img->frame, &all, img->count, "across", 1, NULL)) {
        return NULL;
    }
    double ppmm = how->density / 25.4;
    int rc = how->density > 0 ? vips_copy(all, &copy, "xres", ppmm, "yres", ppmm, NULL)
                              : vips_copy(all, &copy, NULL);
    g_object_unref(all);
    if (!rc && is_group4(how) && copy->Bands > 1) {
        all = copy;
        rc = one_band(all, &copy);
        g_object_unref(all);
    }
    if (rc)
        return NULL;
    vips_image_remove(copy, "jpeg-thumbnail-data"); /* shows the old picture */
    vips_image_remove(copy, VIPS_META_PAGE_HEIGHT);
    vips_image_remove(copy, VIPS_META_N_PAGES);
    if (img->count > 1)
        vips_image_set_int(copy, VIPS_META_PAGE_HEIGHT, img->frame[0]->Ysize);
    else
        vips_image_remove(copy, "delay");
    return copy;
}

static int tiff_compression(VipsForeignTiffCompression *out, const char *name, struct err *err)
{
    static const struct {
        const char *name;
        VipsForeignTiffCompression value;
    } rows[] = {
        {"None", VIPS_FOREIGN_TIFF_COMPRESSION_NONE},
        {"LZW", VIPS_FOREIGN_TIFF_COMPRESSION_LZW},
        {"Zip", VIPS_FOREIGN_TIFF_COMPRESSION_DEFLATE},
        {"JPEG", VIPS_FOREIGN_TIFF_COMPRESSION_JPEG},
        {"RLE", VIPS_FOREIGN_TIFF_COMPRESSION_PACKBITS},
        {"Group4", VIPS_FOREIGN_TIFF_COMPRESSION_CCITTFAX4},
        {"JPEG2000", VIPS_FOREIGN_TIFF_COMPRESSION_JP2K},
        /* Others that ImageMagick names and TIFF does not have: written without any, as it does. */
        {"BZip", VIPS_FOREIGN_TIFF_COMPRESSION_NONE},
        {"Lossless", VIPS_FOREIGN_TIFF_COMPRESSION_NONE},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (!strcasecmp(rows[i].name, name)) {
            *out = rows[i].value;
            return 0;
        }
    return err_set(err, ERR_COMMAND, "TIFF cannot be written with compression '%s'", name);
}

static int save_joined(VipsImage *v, const char *path, const struct image_save *o, struct err *err)
{
    const char *f = image_canonical(o->format);
    int rc;

    if (!strcmp(f, "jpg")) {
        rc = vips_jpegsave(v, path, "Q", o->quality, "strip", o->strip, "interlace", o->progressive,
                           NULL);
    } else if (!strcmp(f, "png") && image_saves_quick_png(v, o)) {
        if ((rc = image_save_quick_png(v, path, o, err)) < 0)
            return -1;
    } else if (!strcmp(f, "png")) {
        rc = vips_pngsave(
            v, path, "strip", o->strip, "interlace", o->progressive, "filter",
            o->all_filters ? VIPS_FOREIGN_PNG_FILTER_ALL : VIPS_FOREIGN_PNG_FILTER_NONE, "palette",
            o->palette, "compression", o->deflate ? o->deflate - 1 : 6, "bitdepth",
            o->bilevel ? 1 : (o->palette || v->BandFmt == VIPS_FORMAT_UCHAR ? 8 : 16), NULL);
    } else if (!strcmp(f, "webp")) {
        rc = vips_webpsave(v, path, "Q", o->quality, "strip", o->strip, NULL);
    } else if (!strcmp(f, "gif")) {
        rc = vips_gifsave(v, path, "strip", o->strip, "interlace", o->progressive, NULL);
    } else if (!strcmp(f, "tif")) {
        VipsForeignTiffCompression c = VIPS_FOREIGN_TIFF_COMPRESSION_LZW;

        if (tiff_compression(&c, o->compress ? o->compress : "LZW", err) < 0)
            return -1;
        rc =
            vips_tiffsave(v, path, "compression", c, "Q", o->quality, "strip", o->strip, "bitdepth",
                          o->bilevel || c == VIPS_FOREIGN_TIFF_COMPRESSION_CCITTFAX4 ? 1 : 0, NULL);
    } else if (!strcmp(f, "avif") || !strcmp(f, "heic")) {
        rc = vips_heifsave(
            v, path, "Q", o->quality, "strip", o->strip, "effort", *f == 'a' ? 3 : 4, "compression",
            *f == 'a' ? VIPS_FOREIGN_HEIF_COMPRESSION_AV1 : VIPS_FOREIGN_HEIF_COMPRESSION_HEVC,
            NULL);
    } else if (!strcmp(f, "jp2")) {
        rc = vips_jp2ksave(v, path, "Q", o->quality, NULL);
    } else if (!strcmp(f, "jxl")) {
        rc = vips_jxlsave(v, path, "Q", o->quality, "strip", o->strip, "effort", 4, NULL);
    } else {
        return err_set(err, ERR_COMMAND, "cannot write format '%s'", o->format);
    }
    return rc ? vips_fail(err, "cannot write the image") : 0;
}

/* Does TIFF have to be written by ImageMagick, as libvips can't? */
static bool needs_magick(const struct image_save *how)
{
    bool fax = how->compress && !strcasecmp(how->compress, "Fax");

    return !strcmp(image_canonical(how->format), "tif") && (how->channels || fax);
}

/* It gets a plain TIFF and is told that it is one, so that it never looks for what the bytes might be. */
static int save_by_magick(struct image *img, const char *path, const struct image_save *how, struct err *err)
{
    struct image_save plain = *how;
    AUTO(mem_free) char *between = mem_printf("%s.plain", path), *from = mem_printf("tiff:%s", between),
                        *to = mem_printf("tiff:%s", path), *quality = mem_printf("%d", how->quality);
    const char *argv[16];
    int n = 0;

    plain.channels = NULL;
    plain.compress = "None";
    if (image_save(img, between, &plain, err) < 0)
        return -1;
    argv[n++] = "convert";
    argv[n++] = from;
    if (how->channels) {
        argv[n++] = "-colorspace";
        argv[n++] = how->channels;
    }
    argv[n++] = "-quality";
    argv[n++] = quality;
    argv[n++] = "-compress";
    argv[n++] = how->compress ? how->compress : "LZW";
    argv[n++] = to;
    argv[n] = NULL;
    int rc = tool_run(NULL, &(struct tool){.argv = argv, .timeout_ms = img->load.limits.timeout_s * 1000}, err);
    unlink(between);
    return rc;
}

int image_save(struct image *img, const char *path, const struct image_save *how, struct err *err)
{
    if (!image_can_write(how->format))
        return err_set(err, ERR_COMMAND, "cannot write format '%s'", how->format);
    if (needs_magick(how))
        return save_by_magick(img, path, how, err);
    if (image_render(img, err) < 0)
        return -1;
    VipsImage *v = joined(img, how);
    if (!v)
        return vips_fail(err, "cannot write the image");
    image_watch_begin(v, &img->watch);
    int rc = save_joined(v, path, how, err);
    image_watch_end(v, &img->watch);
    g_object_unref(v);
    return rc;
}
