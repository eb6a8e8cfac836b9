#include "media/fit.h"

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }

/* Where a window of n px starts on a line of len px; third: 0 start, 1 middle, 2 end. */
static int64_t place(int third, int64_t len, int64_t n)
{
    return third == 0 ? 0 : third == 1 ? (len - n) / 2 : len - n;
}

struct fit fit_plan(enum fit_strategy s, int64_t src_w, int64_t src_h, int64_t w, int64_t h,
                    bool zoom, enum gravity g)
{
    struct fit f = {src_w, src_h, {0, 0, src_w, src_h}, 0, 0, src_w, src_h};
    bool one_side = !w || !h;

    if (!w && !h)
        return f;
    if (s == FIT_FIT || s == FIT_MIN_FIT) {
        double sx = (double)w / (double)src_w, sy = (double)h / (double)src_h;
        double scale = one_side ? (w ? sx : sy) : s == FIT_FIT ? fmin(sx, sy) : fmax(sx, sy);

        if (!zoom && scale > 1)
            scale = 1;
        f.scaled_w = fit_round((double)src_w * scale);
        f.scaled_h = fit_round((double)src_h * scale);
        f.cut = (struct rect){0, 0, f.scaled_w, f.scaled_h};
        f.out_w = f.scaled_w;
        f.out_h = f.scaled_h;
        return f;
    }
    w = w ? w : src_w;
    h = h ? h : src_h;
    double sx = (double)w / (double)src_w, sy = (double)h / (double)src_h, scale = 1;

    switch (s) {
    case FIT_STRETCH:
        f.out_w = f.scaled_w = zoom ? w : min64(w, src_w);
        f.out_h = f.scaled_h = zoom ? h : min64(h, src_h);
        f.cut = (struct rect){0, 0, f.scaled_w, f.scaled_h};
        return f;
    case FIT_PAD:
        scale = fmin(sx, sy);
        if (!zoom && scale > 1)
            scale = 1;
        f.scaled_w = fit_round((double)src_w * scale);
        f.scaled_h = fit_round((double)src_h * scale);
        f.cut = (struct rect){0, 0, f.scaled_w, f.scaled_h};
        f.out_w = w;
        f.out_h = h;
        f.pad_x = (w - f.scaled_w) / 2;
        f.pad_y = (h - f.scaled_h) / 2;
        return f;
    case FIT_FILLCROP:
        scale = fmax(sx, sy);
        if (!zoom && scale > 1)
            scale = 1;
        break;
    default: /* crop: the window at natural size, over an enlarged source if that is too small */
        scale = zoom ? fmax(1, fmax(sx, sy)) : 1;
        break;
    }
    f.scaled_w = fit_round((double)src_w * scale);
    f.scaled_h = fit_round((double)src_h * scale);
    f.out_w = f.cut.w = min64(w, f.scaled_w);
    f.out_h = f.cut.h = min64(h, f.scaled_h);
    f.cut.x = place((int)g % 3, f.scaled_w, f.cut.w);
    f.cut.y = place((int)g / 3, f.scaled_h, f.cut.h);
    return f;
}
