#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int file_make(const char *path, const void *data, size_t len, struct err *err)
{
    AUTO(fd_close) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    const char *bytes = data;

    if (fd < 0)
        return err_errno(err, "open '%s'", path);
    for (size_t done = 0; done < len;) {
        ssize_t n = write(fd, bytes + done, len - done);

        if (n < 0 && errno != EINTR)
            return err_errno(err, "write '%s'", path);
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

char *file_read(const char *path, const char *name, size_t size, struct err *err)
{
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    AUTO(mem_free) char *bytes = mem_alloc(size + 1);

    if (fd < 0)
        return err_errno(err, "open '%s'", name), NULL;
    for (size_t done = 0; done < size;) {
        ssize_t n = read(fd, bytes + done, size - done);

        if (n < 0 && errno != EINTR)
            return err_errno(err, "read '%s'", name), NULL;
        if (n == 0)
            return err_set(err, ERR_INPUT, "the file '%s' is shorter than announced", name), NULL;
        done += n > 0 ? (size_t)n : 0;
    }
    bytes[size] = 0;
    return take(bytes);
}
