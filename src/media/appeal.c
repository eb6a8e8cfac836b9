#include "media/appeal.h"
#include "media/faces.h"

#include <math.h>
#include <stdlib.h>

#define LOOKED_AT 320 /* px of the longer side: a face of a tenth of that is found */
#define MOST_FACES 8

struct tones {
    double mean, spread, edges; /* of 0 to 255 */
};

static struct tones measure_tones(const uint8_t *p, int w, int h)
{
    double sum = 0, squares = 0, edges = 0, n = (double)w * h;

    for (int i = 0; i < w * h; i++) {
        sum += p[i];
        squares += (double)p[i] * p[i];
    }
    for (int y = 1; y < h - 1; y++)
        for (int x = 1; x < w - 1; x++) {
            const uint8_t *c = p + y * w + x;

            edges += abs(4 * c[0] - c[-1] - c[1] - c[-w] - c[w]);
        }
    return (struct tones){sum / n, sqrt(fmax(0, squares / n - sum / n * (sum / n))), edges / n};
}

int image_appeal(double *out, const struct image *img, struct err *err)
{
    double scale = fmin(1, (double)LOOKED_AT / (double)(image_width(img) > image_height(img)
                                                            ? image_width(img)
                                                            : image_height(img)));
    int w = (int)fit_round((double)image_width(img) * scale),
        h = (int)fit_round((double)image_height(img) * scale), n;
    AUTO(image_free) struct image *small = NULL;
    struct face faces[MOST_FACES];
    uint8_t *gray;

    if (image_copy(&small, img, err) < 0 || image_scale(small, w, h, false, err) < 0 ||
        image_gray(&gray, small, w, h, err) < 0)
        return -1;
    struct tones t = measure_tones(gray, w, h);
    n = faces_find(faces, MOST_FACES, gray, w, h);
    free(gray);

    double sharp = log1p(t.edges), contrast = fmin(t.spread / 64, 1);
    double extreme = fmax(0, 1 - fmin(t.mean, 255 - t.mean) / 48); /* nearly black, nearly white */
    double people = 0;
    for (int i = 0; i < n; i++)
        people = fmax(people, faces_confidence(faces[i].score) / 100);
    *out = sharp + 2 * contrast - 3 * extreme + people;
    return 0;
}
