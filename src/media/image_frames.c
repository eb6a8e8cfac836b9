/* Frames of an animation that are made one by one. */
#include "media/image.h"

#include <stdlib.h>

int image_append(struct image *img, struct image *next, struct err *err)
{
    VipsImage **more;

    if (image_width(next) != image_width(img) || image_height(next) != image_height(img))
        return err_set(err, ERR_COMMAND, "frames of one animation differ in size");
    if (image_render(next, err) < 0)
        return -1;
    more = realloc(img->frame, (size_t)(img->count + 1) * sizeof *more);
    if (!more)
        abort();
    img->frame = more;
    img->frame[img->count] = next->frame[0];
    g_object_ref(img->frame[img->count++]);
    return 0;
}

int image_set_delay(struct image *img, int64_t ms, struct err *err)
{
    int *delays = mem_alloc((size_t)img->count * sizeof *delays);
    VipsImage *now = NULL;

    for (int i = 0; i < img->count; i++)
        delays[i] = (int)ms;
    int failed = vips_copy(img->frame[0], &now, NULL);
    if (!failed) {
        vips_image_set_array_int(now, "delay", delays, img->count);
        vips_image_set_int(now, "loop", 0);
    }
    free(delays);
    return image_put(img, 0, failed, now, "cannot set the times of the frames", err);
}
