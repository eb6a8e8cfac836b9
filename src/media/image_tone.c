#include "media/image_tone.h"

#include <math.h>

static uint8_t byte(double v) { return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v + 0.5); }

static double luma(const double c[3]) { return 0.212656 * c[0] + 0.715158 * c[1] + 0.072186 * c[2]; }

/* Brightness, saturation and hue as factors on the axes of HSL. */
static void modulate(double c[3], const void *arg)
{
    const struct image_tone *o = arg;
    double r = c[0] / 255.0, g = c[1] / 255.0, b = c[2] / 255.0;
    double max = fmax(r, fmax(g, b)), min = fmin(r, fmin(g, b)), d = max - min, l = (max + min) / 2;
    double s = d == 0 ? 0 : d / (1 - fabs(2 * l - 1));
    double h = d == 0     ? 0
               : max == r ? fmod((g - b) / d + 6, 6)
               : max == g ? (b - r) / d + 2
                          : (r - g) / d + 4;

    l = fmin(1, l * o->brightness);
    s = fmin(1, s * o->saturation);
    h = fmod(h + (o->hue - 100) / 100 * 3 + 6e6, 6); /* 100 steps are half a turn */
    double chroma = (1 - fabs(2 * l - 1)) * s, x = chroma * (1 - fabs(fmod(h, 2) - 1)),
           m = l - chroma / 2;
    double rgb[6][3] = {{chroma, x, 0}, {x, chroma, 0}, {0, chroma, x},
                        {0, x, chroma}, {x, 0, chroma}, {chroma, 0, x}};
    for (int i = 0; i < 3; i++)
        c[i] = (rgb[(int)h % 6][i] + m) * 255;
}

static void contrast(double c[3], const void *arg)
{
    const struct image_tone *o = arg;

    for (int i = 0; i < 3; i++)
        c[i] = (c[i] - 127.5) * o->contrast + 127.5;
}

/* A tone curve per channel over the pixel's lightness; more percent, warmer. */
static void sepia(double c[3], const void *arg)
{
    const struct image_tone *o = arg;
    double light = luma(c), t = 255 * (double)o->sepia / 100;
    double blue_floor = t / 7;

    c[0] = light > t ? 255 : light + 255 - t;
    c[1] = fmax(blue_floor, light > t * 7 / 6 ? 255 : light + 255 - t * 7 / 6);
    c[2] = fmax(blue_floor, light < t / 6 ? 0 : light - t / 6);
}

/* How often each lightness is there, of all frames together, so that none of them flickers. */
struct lights {
    size_t *of; /* [256] */
};

static void count_light(double c[3], const void *arg)
{
    const struct lights *l = arg;

    l->of[byte(luma(c))]++;
}

/* From the darkest to the lightest, but for a few pixels at either end. */
struct stretch {
    int black, white;
};

static void stretch(double c[3], const void *arg)
{
    const struct stretch *s = arg;

    for (int i = 0; i < 3; i++)
        c[i] = 255.0 * (c[i] - s->black) / (s->white - s->black);
}

/* Light becomes lighter and dark darker, along a sine; hue and saturation (of HSB) stay. */
static void more_contrast(double c[3], const void *arg)
{
    double top = fmax(c[0], fmax(c[1], c[2])) / 255;
    double now = fmin(fmax(top + 0.5 * (0.5 * (sin(M_PI * (top - 0.5)) + 1) - top), 0), 1);

    for (int i = 0; i < 3 && top > 0; i++)
        c[i] = c[i] * now / top;
}

/* As ImageMagick has it: the curves, then all of the range is used, then more contrast. */
static int sepia_tone(struct image *img, const struct image_tone *t, struct err *err)
{
    size_t of[256] = {0}, sum = 0, all = (size_t)(image_width(img) * image_height(img)) * (size_t)image_frames(img);
    struct stretch s = {0, 255};

    if (image_each_pixel(img, sepia, t, err) < 0 || image_each_pixel(img, count_light, &(struct lights){of}, err) < 0)
        return -1;
    while (s.black < 255 && (double)(sum += of[s.black]) <= 0.0015 * (double)all)
        s.black++;
    for (sum = 0; s.white > 0 && (double)(sum += of[s.white]) <= 0.0005 * (double)all;)
        s.white--;
    if (s.white > s.black && image_each_pixel(img, stretch, &s, err) < 0)
        return -1;
    return image_each_pixel(img, more_contrast, NULL, err);
}

static void negate(double c[3], const void *arg)
{
    for (int i = 0; i < 3; i++)
        c[i] = 255 - c[i];
}

static void to_black_or_white(double c[3], const void *arg)
{
    double light = luma(c);

    c[0] = c[1] = c[2] = light < 127.5 ? 0 : 255;
}

int image_tone(struct image *img, const struct image_tone *t, struct err *err)
{
    if ((t->brightness != 1 || t->saturation != 1 || t->hue != 100) && image_each_pixel(img, modulate, t, err) < 0)
        return -1;
    if (t->contrast != 1 && image_each_pixel(img, contrast, t, err) < 0)
        return -1;
    if (t->sepia > 0 && sepia_tone(img, t, err) < 0)
        return -1;
    if (t->negate && image_each_pixel(img, negate, t, err) < 0)
        return -1;
    return t->bilevel ? image_each_pixel(img, to_black_or_white, t, err) : 0;
}
