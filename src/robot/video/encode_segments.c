/* The result of /video/encode once more, in pieces for HLS and a list of them. */
#include "base/str.h"
#include "robot/video/encode.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_SEGMENTS = 5000, MOST_LINE = 4096 };

/* The same for the same piece of the same film, as a job may run again. */
static void id_of(char out[33], const struct film *f, int n)
{
    uint64_t half[2] = {14695981039346656037u, 1099511628211u};
    char number[16];

    snprintf(number, sizeof number, "%d", n);
    const char *const parts[] = {robot_assembly_id(f->job), f->in->id, number};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        for (const char *c = parts[i]; *c; c++)
            for (int k = 0; k < 2; k++)
                half[k] = (half[k] ^ (uint8_t)*c ^ (uint8_t)(k * 85)) * 1099511628211u;
    snprintf(out, 33, "%016llx%016llx", (unsigned long long)half[0], (unsigned long long)half[1]);
}

/* A name as an address within the list. */
static void add_address(struct str *s, const char *name)
{
    for (const unsigned char *c = (const unsigned char *)name; *c; c++)
        if (*c > 0x20 && *c < 0x7f && !strchr("%#?\"<>\\^`{|}:", *c))
            str_putc(s, (char)*c);
        else
            str_addf(s, "%%%02X", *c);
}

/* Pieces lie beside `pattern`, which has %d in it; `list` has a line for each. */
static int cut_up(struct film *f, const char *path, const char *pattern, const char *list,
                  double from, struct err *err)
{
    struct arena *a = robot_arena(f->job);
    const char *more[] = {"-segment_time",
                          arena_printf(a, "%d", (int)f->o->segment_duration),
                          "-segment_time_delta",
                          av_number(a, f->o->segment_time_delta),
                          "-segment_list",
                          list,
                          "-segment_list_type",
                          "csv",
                          "-segment_format",
                          "mpegts",
                          NULL};
    struct av_profile *p = arena_alloc(a, sizeof *p);

    *p = (struct av_profile){.makes = f->p->makes, .muxer = "segment", .ext = "ts"};
    av_profile_set(p, "c", "copy");
    struct av_run r = {.job = f->job,
                       .profile = p,
                       .sources = {{.path = path}},
                       .source_count = 1,
                       .maps = {"0:V", "0:a?"},
                       .more = more,
                       .seconds = f->seconds,
                       .from = encode_told(f, from),
                       .to = f->to,
                       .output = pattern};
    return av_run(&r, err);
}

static int hand_over(struct film *f, const char *path, const char *name, int n, double starts,
                     double ends, struct err *err)
{
    struct arena *a = robot_arena(f->job);
    struct robot_output out = {.path = path, .ext = "ts", .name = name, .input = f->input};

    out.meta = json_pack("{s:i,s:s,s:s}", "segment_index", n, "starts_at",
                         arena_printf(a, "%.3f", starts), "ends_at", arena_printf(a, "%.3f", ends));
    return robot_emit(f->job, &out, err);
}

/* Each line of the list, "file,start,end", in its order: the pieces are handed over, and what the
 * playlist says of them is added to s. */
static int each_piece(struct str *s, double *longest, struct film *f, const char *dir, FILE *list,
                      struct err *err)
{
    char line[MOST_LINE], id[33];
    int n = 0;

    for (; fgets(line, sizeof line, list); n++) {
        char *rest = line, *file = strsep(&rest, ","), *from = strsep(&rest, ",");
        struct arena *a = robot_arena(f->job);

        if (!rest)
            return err_set(err, ERR_COMMAND, "ffmpeg's list of pieces can't be read");
        double starts = strtod(from, NULL), ends = strtod(rest, NULL);
        id_of(id, f, n);
        const char *name = encode_segment_name(a, f->o, f->in->basename, n, id);
        *longest = fmax(*longest, ends - starts);
        str_addf(s, "#EXTINF:%.6f,\n", ends - starts);
        add_address(s, name);
        str_putc(s, '\n');
        if (hand_over(f, arena_printf(a, "%s/%s", dir, file), name, n, starts, ends, err) < 0)
            return -1;
    }
    return n ? 0 : err_set(err, ERR_COMMAND, "the film could not be cut into pieces");
}

static int write_playlist(struct film *f, const struct str *pieces, double longest, struct err *err)
{
    const char *path = robot_out_path(f->job, "m3u8");
    FILE *to = fopen(path, "w");

    if (!to)
        return err_errno(err, "write the playlist");
    fprintf(to,
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:%d\n#EXT-X-MEDIA-SEQUENCE:0\n"
            "#EXT-X-PLAYLIST-TYPE:VOD\n%s#EXT-X-ENDLIST\n",
            longest < 1 ? 1 : (int)lround(longest), pieces->s);
    if (fclose(to))
        return err_errno(err, "write the playlist");
    const struct robot_output out = {.path = path,
                                     .ext = "m3u8",
                                     .mime = "application/vnd.apple.mpegurl",
                                     .meta = json_object(),
                                     .meta_complete = true,
                                     .input = f->input};
    return robot_emit(f->job, &out, err);
}

int encode_cut(struct film *f, const char *path, double from, struct err *err)
{
    struct arena *a = robot_arena(f->job);
    const char *stem = robot_out_path(f->job, "piece"), *slash = strrchr(stem, '/');

    if (f->seconds / (double)f->o->segment_duration > MOST_SEGMENTS)
        return err_set(err, ERR_COMMAND,
                       "the film lasts %.0f s and would become more than %d pieces of %lld s",
                       f->seconds, MOST_SEGMENTS, (long long)f->o->segment_duration);
    f->list = robot_out_path(f->job, "csv");
    f->dir = arena_printf(a, "%.*s", (int)(slash - stem), stem);
    return cut_up(f, path, arena_printf(a, "%s-%%d.ts", stem), f->list, from, err);
}

int encode_emit_pieces(struct film *f, struct err *err)
{
    AUTO(str_done) struct str pieces = {0};
    FILE *list = fopen(f->list, "r");
    double longest = 0;
    int rc;

    if (!list)
        return err_errno(err, "open the list of pieces");
    rc = each_piece(&pieces, &longest, f, f->dir, list, err);
    fclose(list);
    (void)unlink(f->list);
    return rc < 0 ? -1 : write_playlist(f, &pieces, longest, err);
}
