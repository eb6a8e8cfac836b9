/* The picture on a record's cover, as it lies in the file. */
#include "media/av/private.h"

enum { ARTWORK_MAX = 64 << 20 }; /* bytes */

int av_artwork(const uint8_t **out, size_t *len, struct av *av, struct err *err)
{
    for (unsigned n = 0; n < av->file->nb_streams; n++) {
        const AVStream *s = av->file->streams[n];

        if (!(s->disposition & AV_DISPOSITION_ATTACHED_PIC) || s->attached_pic.size <= 0)
            continue;
        if (s->attached_pic.size > ARTWORK_MAX)
            return err_set(err, ERR_COMMAND, "the cover has %d bytes, the most is %d",
                           s->attached_pic.size, ARTWORK_MAX);
        *out = s->attached_pic.data;
        *len = (size_t)s->attached_pic.size;
        return 1;
    }
    return 0;
}
