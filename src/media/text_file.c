#include "media/text_file.h"
#include "base/str.h"

#include <fcntl.h>
#include <iconv.h>
#include <string.h>
#include <sys/stat.h>

int text_file_bytes(char **out, size_t *len, const char *path, size_t max, struct err *err)
{
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    AUTO(mem_free) char *data = NULL;
    struct stat st;
    size_t n = 0;

    if (fd < 0 || fstat(fd, &st) < 0)
        return err_errno(err, "read '%s'", path);
    if (st.st_size > (off_t)max)
        return err_set(err, ERR_INPUT,
                       "the file has %lld bytes, at most %zu of such a text are taken",
                       (long long)st.st_size, max);
    data = mem_alloc((size_t)st.st_size + 1);
    while (n < (size_t)st.st_size) {
        ssize_t k = read(fd, data + n, (size_t)st.st_size - n);

        if (k < 0)
            return err_errno(err, "read '%s'", path);
        if (!k)
            break;
        n += (size_t)k;
    }
    data[n] = 0;
    *len = n;
    *out = take(data);
    return 0;
}

char *text_from_utf16(size_t *out_len, const char *data, size_t len)
{
    bool little = len > 1 && !memcmp(data, "\xFF\xFE", 2),
         big = len > 1 && !memcmp(data, "\xFE\xFF", 2);
    iconv_t cd =
        little || big ? iconv_open("UTF-8", little ? "UTF-16LE" : "UTF-16BE") : (iconv_t)-1;
    size_t left = len * 2 + 4, room = left, in_len;

    if (cd == (iconv_t)-1)
        return NULL;
    char *out = mem_alloc(left + 1), *to = out, *from = (char *)data + 2;
    in_len = len - 2;
    while (in_len > 1 && iconv(cd, &from, &in_len, &to, &left) == (size_t)-1 && in_len > 1 &&
           left > 3) {
        memcpy(to, "\xEF\xBF\xBD", 3); /* half of a pair */
        to += 3;
        left -= 3;
        from += 2;
        in_len -= 2;
    }
    iconv_close(cd);
    *out_len = room - left;
    out[*out_len] = 0;
    return out;
}

int text_file_read(char **out, size_t *len, const char *path, size_t max, struct err *err)
{
    AUTO(mem_free) char *data = NULL, *text = NULL;
    size_t n;

    if (text_file_bytes(&data, &n, path, max, err) < 0)
        return -1;
    if ((text = text_from_utf16(&n, data, n))) {
        *len = n;
    } else {
        size_t mark = n > 2 && !memcmp(data, "\xEF\xBB\xBF", 3) ? 3 : 0;

        text = utf8_from_unknown(data + mark, n - mark);
        *len = strlen(text); /* a text has no NUL: what follows one is none */
    }
    *out = take(text);
    return 0;
}

void text_lines(struct str *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] != '\r')
            str_putc(out, text[i]);
        else if (i + 1 == len || text[i + 1] != '\n')
            str_putc(out, '\n');
}
