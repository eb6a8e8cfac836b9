#include "media/image_emit.h"
#include "base/filetype.h"

#include <string.h>

const char *image_emit_format(const struct image *img, enum image_type asked, const char *otherwise)
{
    const char *format = asked ? image_type_name(asked) : image_format(img);

    return image_canonical(image_can_write(format) ? format : otherwise);
}

static const char *extension(const struct robot_input *in, const struct image_emit *how, const char *mime)
{
    const char *own = filetype_by_ext(in->ext);

    if (!how->asked && own && !strcmp(own, mime))
        return in->ext;
    return how->asked == IMAGE_TIFF ? "tiff" : how->save.format;
}

void image_tell_job(void *job, double done) { robot_progress(job, done); }

int image_emit(struct robot_job *job, struct image *img, const struct image_emit *how, struct err *err)
{
    AUTO(json_unref) json_t *meta = json_object(), *extra = how->meta;
    const char *mime = filetype_by_ext(how->save.format);
    const char *ext = extension(robot_input(job, how->input), how, mime), *path = robot_out_path(job, ext);

    /* From the pixels in memory, so that nobody has to decode the result again. */
    if (image_render(img, err) < 0)
        return -1;
    image_watch(img, image_tell_job, job, how->told, how->upto > 0 ? how->upto : 1);
    if (image_save(img, path, &how->save, err) < 0 || image_meta(meta, img, how->output_meta, err) < 0 ||
        meta_add_dates(meta, path, true, err) < 0)
        return -1;
    if (extra)
        json_object_update(meta, extra);
    const struct robot_output out = {
        .path = path, .ext = ext, .mime = mime, .meta = take(meta), .meta_complete = true, .input = how->input};
    return robot_emit(job, &out, err);
}
