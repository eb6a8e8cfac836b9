#include "conductor/opening.h"
#include "base/auto.h"
#include "base/id.h"
#include "base/map.h"
#include "base/str.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE 64                /* bytes of a line, blanks and all */
#define LINES_MOST (64 * 1024) /* of a file that others may have touched */

/* The file: a line "ID" while that one is read, else blanks; then a line "ID DEATHS" for each at
 * which somebody died. */
struct opening {
    int fd;
    struct map deaths; /* id -> how many, as a pointer's number */
    char now[ID_LEN + 1];
};

static void write_line(const struct opening *o, int64_t at, const char *text)
{
    char line[LINE + 1];

    snprintf(line, sizeof line, "%-*.*s\n", LINE - 1, LINE - 1, text);
    (void)!pwrite(o->fd, line, LINE,
                  at * LINE); /* without it the next start reads it once more, as ever */
}

static void set_deaths(struct opening *o, const char *id, int count)
{
    map_del(&o->deaths, id);
    if (count > 0)
        map_put(&o->deaths, id, (void *)(intptr_t)count);
}

int opening_deaths(const struct opening *o, const char *id)
{
    return o ? (int)(intptr_t)map_get(&o->deaths, id) : 0;
}

static void write_deaths(struct opening *o)
{
    int64_t at = 1;

    for (struct map_iter i = {0}; map_next(&o->deaths, &i); at++) {
        AUTO(mem_free) char *text = mem_printf("%s %d", i.key, (int)(intptr_t)i.value);

        write_line(o, at, text);
    }
    (void)!ftruncate(o->fd, at * LINE);
}

static void read_line(struct opening *o, const char *line, bool is_now)
{
    char id[ID_LEN + 1];
    int count = 0;

    /* a line is as write_line() makes it, or not ours */
    if (line[LINE - 1] != '\n' || sscanf(line, "%32s %d", id, &count) < 1 || !id_valid(id))
        return;
    if (is_now)
        snprintf(o->now, sizeof o->now, "%s", id);
    else if (count > 0 && count < 1000)
        set_deaths(o, id, count);
}

int opening_open(struct opening **out, const char *path, struct err *err)
{
    struct opening *o = mem_zalloc(sizeof *o);
    char line[LINE + 1] = {0};

    o->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (o->fd < 0) {
        free(o);
        return err_errno(err, "open '%s'", path);
    }
    for (int64_t at = 0; at < LINES_MOST && pread(o->fd, line, LINE, at * LINE) == LINE; at++)
        read_line(o, line, at == 0);
    if (*o->now)
        set_deaths(o, o->now, opening_deaths(o, o->now) + 1);
    *o->now = 0;
    write_deaths(
        o); /* before the line that says it: a death in between counts twice rather than never */
    write_line(o, 0, "");
    *out = o;
    return 0;
}

void opening_close(struct opening *o)
{
    if (!o)
        return;
    close(o->fd);
    map_done(&o->deaths);
    free(o);
}

void opening_begin(struct opening *o, const char *id)
{
    if (!o)
        return;
    snprintf(o->now, sizeof o->now, "%s", id);
    write_line(o, 0, id);
}

void opening_end(struct opening *o)
{
    if (!o)
        return;
    if (opening_deaths(o, o->now)) {
        set_deaths(o, o->now, 0);
        write_deaths(o);
    }
    *o->now = 0;
    write_line(o, 0, "");
}
