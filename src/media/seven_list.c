#include "media/seven_list.h"
#include "base/str.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static int seven_list_refuse(struct seven_list *s, enum unpack_fault fault)
{
    s->fault = fault;
    return -1;
}

static int seven_begin_member(struct seven_list *s, const char *path, struct err *err)
{
    if (s->count >= s->limits->files) {
        err_set(err, ERR_INPUT, "the archive '%.200s' has more than %" PRId64 " members (setting max_archive_files)",
                s->name, s->limits->files);
        return seven_list_refuse(s, UNPACK_LIMIT);
    }
    if ((s->count & (s->count - 1)) == 0)
        s->members = mem_realloc(s->members, (size_t)(s->count ? s->count * 2 : 1) * sizeof *s->members);
    s->members[s->count++] = (struct seven_member){.path = mem_strdup(path), .is_file = true, .at = s->total};
    return 0;
}

static int seven_size(struct seven_list *s, struct seven_member *m, const char *value, struct err *err)
{
    char *end;

    errno = 0;
    int64_t size = *value ? strtoll(value, &end, 10) : 0;
    if ((*value && *end) || errno || size < 0 || m->size) {
        err_set(err, ERR_INPUT, "the archive '%.200s' is broken: a member has no size", s->name);
        return seven_list_refuse(s, UNPACK_BROKEN);
    }
    if (size > s->limits->bytes - s->total) {
        err_set(err, ERR_INPUT,
                "the contents of the archive '%.200s' have more than %" PRId64 " bytes (setting max_archive_bytes)",
                s->name, s->limits->bytes);
        return seven_list_refuse(s, UNPACK_LIMIT);
    }
    m->size = size;
    s->total += size;
    return 0;
}

static int seven_crc(struct seven_list *s, struct seven_member *m, const char *value, struct err *err)
{
    size_t n = strspn(value, "0123456789abcdefABCDEF");

    if (value[n] || n > 8) {
        err_set(err, ERR_INPUT, "the archive '%.200s' is broken: the sum of a member is none", s->name);
        return seven_list_refuse(s, UNPACK_BROKEN);
    }
    m->crc = strtoul(value, NULL, 16);
    m->has_crc = true;
    return 0;
}

/* "Name = value". A member's name may hold anything, a line's end that 7zz has made something else: what it can make us
 * believe are sizes, whose sum is compared with what there is, and names, which are looked at like any. */
int seven_list_line(void *list, char *line, struct err *err)
{
    struct seven_list *s = list;
    char *value = strstr(line, " = ");

    if (!value)
        return 0;
    *value = 0;
    value += 3;
    if (!strcmp(line, "Path"))
        return seven_begin_member(s, value, err);
    if (!s->count)
        return 0;
    struct seven_member *m = &s->members[s->count - 1];
    if (!strcmp(line, "Size"))
        return seven_size(s, m, value, err);
    if (!strcmp(line, "CRC") && *value)
        return seven_crc(s, m, value, err);
    if (!strcmp(line, "Attributes")) /* "D drwxr-xr-x", "A lrwxrwxrwx" */
        m->is_file = *value != 'D' && !strstr(value, " d") && !strstr(value, " l");
    s->is_encrypted |= !strcmp(line, "Encrypted") && *value == '+';
    return 0;
}

void seven_list_done(struct seven_list l)
{
    for (int64_t i = 0; i < l.count; i++)
        free((char *)l.members[i].path);
    free(l.members);
}
