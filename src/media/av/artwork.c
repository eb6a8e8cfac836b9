/* The pictures on a record's cover, as they lie in the file. */
#include "media/av/private.h"

#include <string.h>

enum { ARTWORK_MAX = 64 << 20 }; /* bytes */

static bool is_cover(const AVStream *s)
{
    return s->disposition & AV_DISPOSITION_ATTACHED_PIC && s->attached_pic.size > 0;
}

/* Records name what a picture shows: the artist, the label, the back... */
static bool is_front(const AVStream *s)
{
    const AVDictionaryEntry *e = av_dict_get(s->metadata, "comment", NULL, 0);

    return e && !strcmp(e->value, "Cover (front)");
}

static const AVStream *nth_cover(const AVFormatContext *file, int nth)
{
    for (int front = 1; front >= 0; front--)
        for (unsigned n = 0; n < file->nb_streams; n++)
            if (is_cover(file->streams[n]) && is_front(file->streams[n]) == front && nth-- == 0)
                return file->streams[n];
    return NULL;
}

int av_artwork(const uint8_t **out, size_t *len, struct av *av, int nth, struct err *err)
{
    const AVStream *s = nth_cover(av->file, nth);

    if (!s)
        return 0;
    if (s->attached_pic.size > ARTWORK_MAX)
        return err_set(err, ERR_COMMAND, "the cover has %d bytes, the most is %d",
                       s->attached_pic.size, ARTWORK_MAX);
    *out = s->attached_pic.data;
    *len = (size_t)s->attached_pic.size;
    return 1;
}
