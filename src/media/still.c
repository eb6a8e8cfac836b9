#include "media/still.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

int still_open(struct still *out, const char *format, const char *path, bool half, struct err *err)
{
    static const struct still_reader *const readers[] = {&still_bmp, &still_ico, &still_psd,
                                                         &still_raw, &still_tga};
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct still s = {.path = path, .half = half};
    struct stat st;
    void *data;
    int rc;

    if (fd < 0 || fstat(fd, &st) < 0)
        return err_errno(err, "'%s'", path);
    if (!st.st_size)
        return still_broken(err, "it is empty");
    for (size_t i = 0; i < ARRAY_LEN(readers); i++)
        if (!strcmp(readers[i]->format, format))
            s.reader = readers[i];
    if (!s.reader)
        return 1;
    s.len = (size_t)st.st_size;
    if ((data = mmap(NULL, s.len, PROT_READ, MAP_PRIVATE, fd, 0)) == MAP_FAILED)
        return err_errno(err, "'%s'", path);
    s.data = data;
    if ((rc = s.reader->open(&s, err)) != 0 || s.width < 1 || s.height < 1) {
        still_close(&s);
        return rc ? rc : still_broken(err, "it has no pixels");
    }
    *out = s;
    return 0;
}

void still_close(struct still *s)
{
    if (!s->data)
        return;
    if (s->reader->close)
        s->reader->close(s);
    munmap((void *)s->data, s->len);
    s->data = NULL;
}

int still_pixels(uint8_t **out, struct still *s, struct err *err)
{
    AUTO(mem_free) char *px = mem_zalloc((size_t)s->width * (size_t)s->height * (size_t)s->bands);

    if (s->reader->pixels((uint8_t *)px, s, err) < 0)
        return -1;
    *out = (uint8_t *)take(px);
    return 0;
}
