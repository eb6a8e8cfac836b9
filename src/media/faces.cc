#include "media/faces.h"

#include <algorithm>
#include <cmath>
#include <dlib/array2d.h>
#include <dlib/image_processing/frontal_face_detector.h>
#include <vector>

/* Below the detector's own threshold: weak candidates that only a low min_confidence lets through.
 */
static const double lowest_score = -0.3;

extern "C" int faces_find(struct face *out, int max, const uint8_t *gray, int w, int h)
try {
    static dlib::frontal_face_detector detector = dlib::get_frontal_face_detector();
    dlib::array2d<unsigned char> img(h, w);
    std::vector<dlib::rect_detection> found;

    for (int y = 0; y < h; y++)
        std::copy(gray + (size_t)y * (size_t)w, gray + (size_t)(y + 1) * (size_t)w, &img[y][0]);
    detector(img, found, lowest_score);
    int n = 0;
    for (const auto &d : found) {
        if (n == max)
            break;
        out[n++] = {(int)d.rect.left(), (int)d.rect.top(), (int)d.rect.width(),
                    (int)d.rect.height(), d.detection_confidence};
    }
    return n;
} catch (...) { /* no exception may leave into C */
    return -1;
}

extern "C" double faces_confidence(double score)
{
    double percent = 100 * (1 - std::exp(-1.5 * (score + 0.5)));

    return std::min(99.99, std::max(0.0, percent));
}
