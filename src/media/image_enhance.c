#include "media/image_enhance.h"
#include "media/image.h"

#include <math.h>

#define STEPS 256

static double enhance_luma(const double c[3])
{
    return 0.212656 * c[0] + 0.715158 * c[1] + 0.072186 * c[2];
}

/* ---- levels and gamma ---- */

static const struct strength {
    double clip;  /* share of the pixels that may become black, and white */
    double gain;  /* contrast grows by no more */
    double gamma; /* exponents from 1 / gamma to gamma */
    double sharpen;
} strengths[] = {
    [AUTO_GENTLE] = {0.0005, 1.3, 1.15, 0.5},
    [AUTO_USUAL] = {0.002, 1.8, 1.35, 1},
    [AUTO_AGGRESSIVE] = {0.01, 3, 1.8, 2},
};
#define MIDDLE 0.46 /* where the mean light goes, of 1 */

/* How often each lightness is seen: what is transparent is not. */
static double enhance_count(double of[STEPS], const struct image *img)
{
    double all = 0;

    for (int f = 0; f < img->count; f++) {
        VipsImage *v = img->frame[f];
        size_t px = VIPS_IMAGE_SIZEOF_PEL(v);
        bool alpha = vips_image_hasalpha(v);

        for (int y = 0; y < v->Ysize; y++) {
            const VipsPel *p = VIPS_IMAGE_ADDR(v, 0, y);

            for (int x = 0; x < v->Xsize; x++, p += px) {
                double c[3];

                if (alpha && px_get(p, 3, img->deep) == 0)
                    continue;
                for (int i = 0; i < 3; i++)
                    c[i] = px_get(p, i, img->deep) / (img->deep ? (double)PX_STEP : 1);
                of[(int)(enhance_luma(c) + 0.5)]++;
                all++;
            }
        }
    }
    return all;
}

/* A curve of lightness, of each channel alike; between its points it is straight. */
struct curve {
    double to[STEPS + 1];
};

static void follow(double c[3], const void *arg)
{
    const struct curve *k = arg;

    for (int i = 0; i < 3; i++) {
        int at = (int)c[i];

        c[i] = k->to[at] + (k->to[at + 1] - k->to[at]) * (c[i] - at);
    }
}

/* The darkest and the lightest that count, but not so near each other that contrast would grow by
 * more than s->gain. */
static void enhance_ends(double *black, double *white, const double of[STEPS], double all,
                         const struct strength *s)
{
    double sum = 0;
    int lo = 0, hi = STEPS - 1;

    while (lo < hi && (sum += of[lo]) <= s->clip * all)
        lo++;
    for (sum = 0; hi > lo && (sum += of[hi]) <= s->clip * all;)
        hi--;
    double least = 255 / s->gain, lacks = least - (hi - lo), room = lo + 255 - hi;
    *black = lo;
    *white = hi;
    if (lacks > 0) { /* room is 255 - (hi - lo), and so more than what lacks */
        *black -= lacks * lo / room;
        *white += lacks * (255 - hi) / room;
    }
}

/* Half the way to where the mean light would be in the middle: a night stays one. */
static double enhance_exponent(const double of[STEPS], double all, double black, double white,
                               const struct strength *s)
{
    double sum = 0;

    for (int i = 0; i < STEPS; i++)
        sum += of[i] * fmin(fmax((i - black) / (white - black), 0), 1);
    double mean = fmin(fmax(sum / all, 0.02), 0.98);
    return fmin(fmax(sqrt(log(MIDDLE) / log(mean)), 1 / s->gamma), s->gamma);
}

int image_auto_enhance(struct image *img, enum image_auto strength, struct err *err)
{
    const struct strength *s = &strengths[strength];
    double of[STEPS] = {0}, black, white;
    struct curve k;

    if (strength == AUTO_NONE)
        return 0;
    if (image_to_srgb(img, err) < 0 || image_render(img, err) < 0)
        return -1;
    double all = enhance_count(of, img);
    if (all == 0)
        return 0;
    enhance_ends(&black, &white, of, all, s);
    double exponent = enhance_exponent(of, all, black, white, s);
    for (int i = 0; i <= STEPS; i++)
        k.to[i] = 255 * pow(fmin(fmax((i - black) / (white - black), 0), 1), exponent);
    return image_each_pixel(img, follow, &k, err) < 0 ? -1 : image_sharpen(img, s->sharpen, err);
}

/* ---- grades ---- */

/* In the order of the fields. Colours are of 255. */
static const struct grade {
    double gray[3];    /* shares of red, green and blue in its grey; all 0: it has colours */
    double saturation; /* factor; */
    double muted;      /* what has little colour gets so much more of it, 0 to 1 */
    double gain[3];    /* factors of the channels */
    double contrast;   /* of an S curve; negative: less */
    double shadows[3], highlights[3]; /* added where it is dark, and light */
    double black, white;              /* what these become */
} grades[] = {
    [GRADE_WARM] = {.saturation = 1.05,
                    .gain = {1.06, 1.01, 0.92},
                    .highlights = {4, 2, 0},
                    .white = 255},
    [GRADE_COOL] = {.saturation = 1, .gain = {0.93, 1, 1.07}, .shadows = {0, 1, 5}, .white = 255},
    [GRADE_VINTAGE] = {.saturation = 0.72,
                       .gain = {1.06, 1, 0.88},
                       .contrast = 0.05,
                       .shadows = {8, 2, 14},
                       .highlights = {6, 4, -18},
                       .black = 18,
                       .white = 244},
    [GRADE_VIVID] =
        {.saturation = 1.18, .muted = 0.35, .gain = {1, 1, 1}, .contrast = 0.22, .white = 255},
    [GRADE_MATTE] =
        {.saturation = 0.88, .gain = {1, 1, 1}, .contrast = -0.06, .black = 30, .white = 242},
    [GRADE_CINEMATIC] = {.saturation = 0.88,
                         .gain = {1.01, 1, 0.99},
                         .contrast = 0.28,
                         .shadows = {-4, 2, 10},
                         .highlights = {10, 4, -8},
                         .black = 6,
                         .white = 250},
    [GRADE_GOLDEN_HOUR] = {.saturation = 1.12,
                           .gain = {1.1, 1.02, 0.82},
                           .contrast = 0.05,
                           .shadows = {8, 2, -2},
                           .highlights = {10, 6, -6},
                           .white = 255},
    [GRADE_BW_DRAMATIC] = {.gray = {0.55, 0.4, 0.05},
                           .gain = {1, 1, 1},
                           .contrast = 0.7,
                           .white = 255},
    [GRADE_BW_CLASSIC] = {.gray = {0.3, 0.59, 0.11},
                          .gain = {1, 1, 1},
                          .contrast = 0.12,
                          .white = 255},
    [GRADE_NOIR] = {.gray = {0.25, 0.6, 0.15},
                    .gain = {0.86, 0.86, 0.86},
                    .contrast = 1,
                    .white = 250},
    [GRADE_FADE] =
        {.saturation = 0.72, .gain = {1.01, 1, 0.99}, .contrast = -0.15, .black = 40, .white = 250},
    [GRADE_PASTEL] = {.saturation = 0.66,
                      .gain = {1.14, 1.12, 1.14},
                      .contrast = -0.2,
                      .shadows = {10, 6, 12},
                      .black = 52,
                      .white = 255},
    [GRADE_TEAL_ORANGE] = {.saturation = 1.08,
                           .gain = {1, 1, 1},
                           .contrast = 0.15,
                           .shadows = {-20, 6, 16},
                           .highlights = {20, 6, -20},
                           .white = 255},
};

static void colour_of(double c[3], const struct grade *g)
{
    if (g->gray[1] > 0) {
        c[0] = c[1] = c[2] = g->gray[0] * c[0] + g->gray[1] * c[1] + g->gray[2] * c[2];
        return;
    }
    double light = enhance_luma(c), most = fmax(c[0], fmax(c[1], c[2])),
           least = fmin(c[0], fmin(c[1], c[2]));
    double has = most > 0 ? (most - least) / most : 0,
           factor = g->saturation + g->muted * (1 - has);

    for (int i = 0; i < 3; i++)
        c[i] = light + (c[i] - light) * factor;
}

static void graded(double c[3], const void *arg)
{
    const struct grade *g = arg;

    colour_of(c, g);
    for (int i = 0; i < 3; i++) {
        double v = fmin(fmax(c[i] * g->gain[i] / 255, 0), 1);

        c[i] = 255 * (v + g->contrast * (v * v * (3 - 2 * v) - v));
    }
    double light = enhance_luma(c) / 255;
    for (int i = 0; i < 3; i++) {
        c[i] += g->shadows[i] * (1 - light) * (1 - light) + g->highlights[i] * light * light;
        c[i] = g->black + fmin(fmax(c[i], 0), 255) * (g->white - g->black) / 255;
    }
}

int image_apply_grade(struct image *img, enum image_grade grade, struct err *err)
{
    return grade == GRADE_NONE ? 0 : image_each_pixel(img, graded, &grades[grade], err);
}

bool image_grade_is_gray(enum image_grade grade)
{
    return grade == GRADE_NONE || grades[grade].gray[1] > 0;
}

/* ---- edges and noise ---- */

int image_sharpen(struct image *img, double level, struct err *err)
{
    if (level <= 0)
        return 0;
    if (image_to_srgb(img, err) < 0 || image_render(img, err) < 0)
        return -1;
    IMAGE_EACH(img, "cannot sharpen",
               vips_sharpen(in, &now, "sigma", 0.7 + 0.06 * level, "x1", 1.5, "m1", 0.0, "m2",
                            0.8 * level, NULL));
    return 0;
}

/* So much of each pixel's surroundings as there is less than eps of variance in them, each channel
 * by itself (a guided filter whose guide is the picture itself). */
static int calmed(VipsImage *in, VipsImage **out, double eps)
{
    enum {
        COLOURS,
        EACH,
        SQUARE,
        MEAN,
        OF_SQUARES,
        MEAN_SQUARE,
        VARIANCE,
        WITH_EPS,
        KEEP,
        KEPT,
        REST,
        KEEP_SOFT,
        REST_SOFT,
        OWN,
        DONE,
        BACK,
        ALPHA,
        COUNT
    };
    VipsObject *ctx = VIPS_OBJECT(vips_image_new());
    VipsImage **t = (VipsImage **)vips_object_local_array(ctx, COUNT);
    bool alpha = vips_image_hasalpha(in);
    double sigma = 2;
    int rc = -1;

#define SOFT(a, b) vips_gaussblur(t[a], &t[b], sigma, "precision", VIPS_PRECISION_FLOAT, NULL)
    if (!vips_extract_band(in, &t[COLOURS], 0, "n", 3, NULL) &&
        !vips_cast_float(t[COLOURS], &t[EACH], NULL) &&
        !vips_multiply(t[EACH], t[EACH], &t[SQUARE], NULL) && !SOFT(EACH, MEAN) &&
        !SOFT(SQUARE, OF_SQUARES) && !vips_multiply(t[MEAN], t[MEAN], &t[MEAN_SQUARE], NULL) &&
        !vips_subtract(t[OF_SQUARES], t[MEAN_SQUARE], &t[VARIANCE], NULL) &&
        !vips_linear1(t[VARIANCE], &t[WITH_EPS], 1, eps, NULL) &&
        !vips_divide(t[VARIANCE], t[WITH_EPS], &t[KEEP], NULL) &&
        !vips_multiply(t[KEEP], t[MEAN], &t[KEPT], NULL) &&
        !vips_subtract(t[MEAN], t[KEPT], &t[REST], NULL) && !SOFT(KEEP, KEEP_SOFT) &&
        !SOFT(REST, REST_SOFT) && !vips_multiply(t[KEEP_SOFT], t[EACH], &t[OWN], NULL) &&
        !vips_add(t[OWN], t[REST_SOFT], &t[DONE], NULL) &&
        !image_to_format(t[DONE], &t[BACK], in->BandFmt, in->Type))
        rc = !alpha ? vips_copy(t[BACK], out, NULL)
                    : vips_extract_band(in, &t[ALPHA], 3, NULL) ||
                          vips_bandjoin2(t[BACK], t[ALPHA], out, NULL);
#undef SOFT
    g_object_unref(ctx);
    return rc ? -1 : 0;
}

int image_denoise(struct image *img, double level, struct err *err)
{
    if (level <= 0)
        return 0;
    if (image_to_srgb(img, err) < 0 || image_render(img, err) < 0)
        return -1;
    double deviation = 2.5 * level * (img->deep ? PX_STEP : 1);
    IMAGE_EACH(img, "cannot take the noise out", calmed(in, &now, deviation * deviation));
    return 0;
}
