/* What /image/resize lays over a picture, makes of its transparency and its colours: against
 * ImageMagick, where that has the same; hostile texts, fonts, watermarks and paths. */
#include "../unit/unit.h"
#include "media/image_text.h"
#include "pictures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROBOT "/image/resize"

static int run(struct robot_job *j, const char *step, const char *base, const char *as,
               const char *second, struct err *err)
{
    host_add_input(j, base);
    if (second) {
        host_input_as(j, "base");
        host_add_input(j, second);
        host_input_as(j, as);
    }
    return host_run(j, ROBOT, step, err);
}

/* A fresh job for each run: "IN", "SECOND" and "OUT" in the arguments are its files. */
static void against_magick(const char *step, const char *as, const char *arguments, double least)
{
    AUTO(host_free) struct robot_job *j = host_new();
    const char *make[] = {
        "convert -seed 7 -size 160x120 plasma:tomato-steelblue -blur 0x1 -depth 8 -strip PNG24:%s",
        "convert -size 40x30 xc:none -fill '#20c040' -draw 'circle 20,15 20,3' -strip PNG32:%s",
        "convert -size 256x1 gradient:navy-gold -rotate 90 -strip PNG24:%s"};
    AUTO(mem_free)
    char *in = mem_strdup(host_path(j, "in.png")),
         *second = mem_strdup(host_path(j, "second.png")),
         *want = mem_strdup(host_path(j, "want.png"));
    AUTO(mem_free)
    char *first = mem_printf(make[strstr(arguments, "ROUND") ? 1 : 0], in),
         *other = mem_printf(make[as && !strcmp(as, "clut") ? 2 : 1], second);
    AUTO(mem_free)
    char *command = mem_printf("in='%s' second='%s' && convert \"$in\" %s '%s'", in, second,
                               arguments + (strstr(arguments, "ROUND") ? 5 : 0), want);
    struct err err;

    assert_int_equal(system(first), 0);
    assert_int_equal(system(other), 0);
    assert_int_equal(system(command), 0);
    if (run(j, step, in, as, as ? second : NULL, &err) < 0)
        fail_msg("%s: %s", step, err.msg);
    double psnr = picture_psnr(host_output(j, 0)->path, want);
    printf("%6.1f dB  %s\n", psnr, step);
    if (!(psnr >= least))
        fail_msg("%s: %.1f dB to '%s', not %.0f", step, psnr, arguments, least);
}

static void pixels_are_those_of_imagemagick(void **state)
{
    static const struct {
        const char *step, *as, *arguments;
        double least; /* dB; 60: half a level off, on average less */
    } rows[] = {
        {"{\"rotation\":90}", NULL, "-rotate 90", 99},
        {"{\"rotation\":180}", NULL, "-rotate 180", 99},
        {"{\"shave\":\"10x5\"}", NULL, "-shave 10x5 +repage", 99},
        {"{\"crop\":{\"x1\":13,\"y1\":7,\"x2\":90,\"y2\":\"50%\"}}", NULL,
         "-crop 77x53+13+7 +repage", 99},
        {"{\"negate\":true}", NULL, "-channel RGB -negate", 99},
        {"{\"width\":63}", NULL, "-filter Lanczos -resize 63x47!", 40},
        {"{\"width\":500,\"height\":100,\"resize_strategy\":\"stretch\"}", NULL,
         "-filter Lanczos -resize 500x100!", 40},
        {"{\"width\":50,\"height\":50,\"resize_strategy\":\"fillcrop\"}", NULL,
         "-filter Lanczos -resize 67x50! -gravity west -crop 50x50+8+0 +repage", 40},
        {"{\"width\":100,\"height\":100,\"resize_strategy\":\"pad\",\"background\":\"#ff0000\"}",
         NULL,
         "-filter Lanczos -resize 100x75! -background red -gravity north -splice 0x12 -gravity "
         "south -splice 0x13",
         40},
        {"{\"brightness\":0.8,\"saturation\":1.2,\"hue\":120}", NULL, "-modulate 80,120,120", 40},
        {"{\"sepia\":80}", NULL, "-sepia-tone 80%", 30},
        {"{\"blur\":\"0x3\"}", NULL, "-blur 0x3", 40},
        {"{\"colorspace\":\"Gray\"}", NULL, "-colorspace Gray", 40},
        {"{}", "watermark", "\"$second\" -gravity center -composite", 50},
        {"{\"watermark_position\":\"bottom-right\",\"watermark_x_offset\":10,\"watermark_y_"
         "offset\":5}",
         "watermark", "\"$second\" -gravity southeast -geometry +10+5 -composite", 50},
        {"{\"watermark_position\":\"top\",\"watermark_x_offset\":-10,\"watermark_y_offset\":-9}",
         "watermark", "\"$second\" -gravity north -geometry -10-9 -composite", 50},
        {"{\"watermark_position\":[\"left\"],\"watermark_opacity\":0.5}", "watermark",
         "\\( \"$second\" -channel A -evaluate multiply 0.5 +channel \\) -gravity west -composite",
         50},
        {"{\"watermark_size\":\"50%\"}", "watermark",
         "\\( \"$second\" -filter Lanczos -resize 80x60! \\) -gravity center -composite", 35},
        {"{\"watermark_size\":\"50%\",\"watermark_resize_strategy\":\"min_fit\"}", "watermark",
         "\\( \"$second\" -filter Lanczos -resize 80x60! \\) -gravity center -composite", 35},
        {"{\"watermark_size\":\"25%\",\"watermark_resize_strategy\":\"area\"}", "watermark",
         "\\( \"$second\" -filter Lanczos -resize 80x60! \\) -gravity center -composite", 35},
        {"{\"watermark_repeat_x\":true,\"watermark_repeat_y\":true,\"watermark_position\":\"top-"
         "left\"}",
         "watermark", "\\( \"$second\" \"$second\" \"$second\" \"$second\" +append -duplicate 3 -append \\) -composite", 50},
        {"{\"watermark_repeat_x\":true,\"watermark_position\":\"bottom-left\"}", "watermark",
         "\\( \"$second\" \"$second\" \"$second\" \"$second\" +append \\) -gravity south -composite", 50},
        {"{\"clut\":true}", "clut", "\"$second\" -clut", 40},
        /* transparency of a round picture: what is behind the modes that keep some is laid on red
           to be compared */
        {"{\"background\":\"red\",\"alpha\":\"Remove\"}", NULL,
         "ROUND-background red -alpha remove -alpha off", 50},
        {"{\"background\":\"none\",\"alpha\":\"Extract\"}", NULL, "ROUND-alpha extract", 50},
        {"{\"background\":\"none\",\"alpha\":\"Off\",\"type\":\"TrueColor\"}", NULL,
         "ROUND-alpha off", 50},
        {"{\"background\":\"red\"}", NULL, "ROUND-background red -flatten", 50},
        {"{\"background\":\"none\",\"alpha\":\"Opaque\",\"format\":\"jpg\",\"quality\":100}", NULL,
         "ROUND-alpha opaque -alpha off", 35},
        {"{\"background\":\"none\",\"alpha\":\"Background\"}", NULL,
         "ROUND-background white -alpha background", 50},
        {"{\"background\":\"none\",\"alpha\":\"Transparent\"}", NULL, "ROUND-alpha transparent",
         50},
        {"{\"alpha\":\"Copy\"}", NULL, "-alpha copy", 40},
        {"{\"alpha\":\"Shape\",\"background\":\"red\"}", NULL, "-background red -alpha shape", 40},
        {"{\"alpha\":\"Set\"}", NULL, "-alpha set", 99},
        {"{\"alpha\":\"Activate\"}", NULL, "-alpha on", 99},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        against_magick(rows[i].step, rows[i].as, rows[i].arguments, rows[i].least);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pixels_are_those_of_imagemagick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
