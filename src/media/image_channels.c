#include "media/image_channels.h"

#include <math.h>
#include <string.h>

static double linear(double v) { return v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4); }
static double channel(double v) { return v * 255; }

static void to_linear(double out[3], const double rgb[3])
{
    for (int i = 0; i < 3; i++)
        out[i] = linear(rgb[i] / 255.0);
}

static void multiply(double out[3], const double m[3][3], const double v[3])
{
    for (int i = 0; i < 3; i++)
        out[i] = m[i][0] * v[0] + m[i][1] * v[1] + m[i][2] * v[2];
}

/* B. Ottosson, "A perceptual color space for image processing" (2020). */
static void oklab(double lab[3], const double rgb[3])
{
    static const double to_lms[3][3] = {{0.4122214708, 0.5363325363, 0.0514459929},
                                        {0.2119034982, 0.6806995451, 0.1073969566},
                                        {0.0883024619, 0.2817188376, 0.6299787005}};
    static const double to_lab[3][3] = {{0.2104542553, 0.7936177850, -0.0040720468},
                                        {1.9779984951, -2.4285922050, 0.4505937099},
                                        {0.0259040371, 0.7827717662, -0.8086757660}};
    double v[3], lms[3];

    to_linear(v, rgb);
    multiply(lms, to_lms, v);
    for (int i = 0; i < 3; i++)
        lms[i] = cbrt(lms[i]);
    multiply(lab, to_lab, lms);
}

static void to_oklab(double rgb[3], const void *arg)
{
    double lab[3];

    oklab(lab, rgb);
    rgb[0] = channel(lab[0]);
    rgb[1] = channel(lab[1] + 0.5);
    rgb[2] = channel(lab[2] + 0.5);
}

static void to_oklch(double rgb[3], const void *arg)
{
    double lab[3];

    oklab(lab, rgb);
    double turn = atan2(lab[2], lab[1]) / (2 * 3.14159265358979323846);
    rgb[0] = channel(lab[0]);
    rgb[1] = channel(hypot(lab[1], lab[2]));
    rgb[2] = channel(turn < 0 ? turn + 1 : turn);
}

/* Safdar et al., "Perceptually uniform color space for image signals" (2017); white is 10000 cd/m2,
 * as in ImageMagick. */
static void to_jzazbz(double rgb[3], const void *arg)
{
    static const double to_xyz[3][3] = {{0.4124564, 0.3575761, 0.1804375},
                                        {0.2126729, 0.7151522, 0.0721750},
                                        {0.0193339, 0.1191920, 0.9503041}};
    static const double to_lms[3][3] = {{0.41478972, 0.579999, 0.0146480},
                                        {-0.2015100, 1.120649, 0.0531008},
                                        {-0.0166008, 0.264800, 0.6684799}};
    static const double to_izazbz[3][3] = {
        {0.5, 0.5, 0}, {3.524000, -4.066708, 0.542708}, {0.199076, 1.096799, -1.295875}};
    const double b = 1.15, g = 0.66, c1 = 3424 / 4096.0, c2 = 2413 / 128.0, c3 = 2392 / 128.0,
                 n = 2610 / 16384.0, p = 1.7 * 2523 / 32.0, d = -0.56, d0 = 1.6295499532821566e-11;
    double v[3], xyz[3], lms[3], j[3];

    to_linear(v, rgb);
    multiply(xyz, to_xyz, v);
    multiply(lms, to_lms,
             (double[]){b * xyz[0] - (b - 1) * xyz[2], g * xyz[1] - (g - 1) * xyz[0], xyz[2]});
    for (int i = 0; i < 3; i++) {
        double power = pow(fmax(lms[i], 0), n);

        lms[i] = pow((c1 + c2 * power) / (1 + c3 * power), p);
    }
    multiply(j, to_izazbz, lms);
    rgb[0] = channel((1 + d) * j[0] / (1 + d * j[0]) - d0);
    rgb[1] = channel(j[1] + 0.5);
    rgb[2] = channel(j[2] + 0.5);
}

static const struct own {
    const char *name;
    void (*fn)(double rgb[3], const void *arg);
} own[] = {{"OkLab", to_oklab}, {"OkLCH", to_oklch}, {"Jzazbz", to_jzazbz}};

static const struct own *own_row(const char *space)
{
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        if (!strcmp(own[i].name, space))
            return &own[i];
    return NULL;
}

bool image_channels_own(const char *space) { return own_row(space) != NULL; }

int image_channels(struct image *img, const char *space, struct err *err)
{
    const struct own *o = own_row(space);

    return o ? image_each_pixel(img, o->fn, NULL, err)
             : err_set(err, ERR_COMMAND, "no colour space '%s'", space);
}
