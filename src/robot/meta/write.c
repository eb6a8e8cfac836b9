/* /meta/write: tags into pictures, films and sounds. exiftool writes those that it can, in place of
 * the old ones and with everything else as it was; the others are copied stream by stream by
 * ffmpeg.
 *
 * Names and values are a client's. To exiftool they go in a JSON file, in which nothing is an
 * option, whatever it looks like; to ffmpeg each is the argument of a -metadata. What a name may
 * look like, and which are about files on the disk, is decided here. */
#include "base/filetype.h"
#include "media/av/av.h"
#include "media/tool.h"
#include "robot/av_options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum {
    MOST_TAGS = 200,
    MOST_PARTS = 3,
    MOST_BYTES = 64 * 1024,
    MOST_DEPTH = 5,
    MOST_ARGS = 2 * MOST_TAGS + 40
};
/* Stands for a tag that is to go. What exiftool takes from a file knows no null. */
#define REMOVED "\x01removed\x01"

struct write_opts {
    json_t *data_to_write;
    struct av_opts av;
};
#define T struct write_opts
static const struct option options[] = {
    OPT_JSON(T, data_to_write, .def_str = "{}", .example = "{\"Title\": \"t\"}",
             .help = "Tags by exiftool's names, with or without a group (\"IPTC:City\"), and their "
                     "values; null removes one."),
    OPT_GROUP(T, av, struct av_opts, av_options),
    OPT_END,
};

/* ---- what may be written ---- */

/* Tags of exiftool that are none of what is in a file: writing one renames, links or changes files,
 * or reads another one. */
static const char *const about_files[] = {
    "directory",      "filename",        "testname",
    "hardlink",       "symlink",         "sourcefile",
    "geotag",         "geosync",         "geotime",
    "geolocate",      "filemodifydate",  "filecreatedate",
    "fileaccessdate", "filepermissions", "fileuserid",
    "filegroupid",    "fileattributes",  "fileinodechangedate",
    "zoneidentifier", "xattrquarantine"};
static const char *const groups_about_files[] = {"system", "file",     "macos",
                                                 "extra",  "exiftool", "fileattribute"};

static bool is_in(const char *const *list, size_t n, const char *name, size_t len)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(list[i]) == len && !strncasecmp(list[i], name, len))
            return true;
    return false;
}

/* "GROUP:GROUP:Tag" or "Tag"; a # at the end is exiftool's for a value as it is stored. */
static int check_name(const char *name, struct err *err)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    int parts = 0;

    for (const char *p = name;; p++) {
        size_t n = strspn(p, letters);

        if (!n || *p == '-' || n > 100 || ++parts > MOST_PARTS ||
            (p[n] && p[n] != ':' && (strcmp(p + n, "#") != 0 || !strncasecmp(p, "all#", 4))))
            return err_set(err, ERR_ROBOT_VALIDATION,
                           "'data_to_write': '%.60s' is no name of a tag", name);
        bool last = p[n] != ':';
        if (last ? is_in(about_files, ARRAY_LEN(about_files), p, n)
                 : is_in(groups_about_files, ARRAY_LEN(groups_about_files), p, n))
            return err_set(err, ERR_ROBOT_VALIDATION,
                           "'data_to_write': the tag '%.60s' is none of what is in a file", name);
        if (last)
            return 0;
        p += n;
    }
}

static bool is_removal(const json_t *v)
{
    return json_is_null(v) || (json_is_string(v) && !json_string_length(v)) ||
           (json_is_array(v) && !json_array_size(v));
}

/* "all", or "IPTC:all" */
static bool is_all(const char *name)
{
    const char *colon = strrchr(name, ':');

    return !strcasecmp(colon ? colon + 1 : name, "all");
}

static int check_value(const char *tag, const json_t *v, int depth, struct err *err)
{
    const char *key;
    json_t *part;
    size_t i;

    if (depth > MOST_DEPTH)
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'data_to_write': the value of '%.60s' is more than %d levels deep", tag,
                       MOST_DEPTH);
    json_array_foreach (v, i, part)
        if (check_value(tag, part, depth + 1, err) < 0)
            return -1;
    json_object_foreach ((json_t *)v, key, part)
        if (check_name(key, err) < 0 || check_value(tag, part, depth + 1, err) < 0)
            return -1;
    return 0;
}

static int check_tags(const json_t *tags, struct err *err)
{
    AUTO(mem_free) char *text = json_text(tags);
    const char *name;
    json_t *v;

    if (!json_is_object(tags))
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'data_to_write' must be an object of tags and their values");
    if (json_object_size(tags) > MOST_TAGS || strlen(text) > MOST_BYTES)
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'data_to_write' has %zu tags and %zu bytes, the most is %d and %d",
                       json_object_size(tags), strlen(text), MOST_TAGS, MOST_BYTES);
    json_object_foreach ((json_t *)tags, name, v) {
        if (check_name(name, err) < 0 || check_value(name, v, 1, err) < 0)
            return -1;
        if (is_all(name) && !is_removal(v))
            return err_set(err, ERR_ROBOT_VALIDATION,
                           "'data_to_write': '%.60s' can only be removed, by null", name);
    }
    return 0;
}

static int write_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;

    (void)partial; /* what is not known yet holds its default, which is right */
    /* streams are copied: options of encoders have nothing to act on, others are refused */
    return check_tags(o->data_to_write, err) < 0 ? -1 : av_opts_check(&o->av, 0, err);
}

/* ---- exiftool ---- */

static bool ascii(const json_t *v)
{
    AUTO(mem_free) char *text = json_text(v);

    for (const char *p = text; *p; p++)
        if (*p & 0x80)
            return false;
    return true;
}

/* Tags that exiftool writes as IPTC when no group is named. */
static const char *const iptc_tags[] = {"objectname",
                                        "keywords",
                                        "by-line",
                                        "by-linetitle",
                                        "caption-abstract",
                                        "headline",
                                        "city",
                                        "sub-location",
                                        "province-state",
                                        "country-primarylocationname",
                                        "credit",
                                        "source",
                                        "copyrightnotice",
                                        "contact",
                                        "writer-editor",
                                        "specialinstructions",
                                        "category",
                                        "supplementalcategories",
                                        "contentlocationname",
                                        "localcaption"};

/* IPTC is Latin-1 unless it says otherwise. */
static bool needs_charset(const json_t *tags)
{
    const char *name;
    json_t *v;

    json_object_foreach ((json_t *)tags, name, v)
        if (!ascii(v) && (!strncasecmp(name, "iptc:", 5) ||
                          is_in(iptc_tags, ARRAY_LEN(iptc_tags), name, strcspn(name, "#"))))
            return true;
    return false;
}

/* Names and values for exiftool in a file of their own. NULL: err. */
static const char *tags_file(struct robot_job *job, const json_t *tags, struct err *err)
{
    AUTO(json_unref) json_t *all = json_pack("{s:s}", "SourceFile", "*");
    const char *path = robot_out_path(job, "json"), *name;
    AUTO(mem_free) char *text = NULL;
    json_t *v;

    json_object_foreach ((json_t *)tags, name, v)
        if (!is_all(name))
            json_object_set_new(all, name, is_removal(v) ? json_string(REMOVED) : json_incref(v));
    text = json_text(all);
    FILE *f = fopen(path, "we");
    if (!f)
        return err_errno(err, "create '%s'", path), NULL;
    fputs(text, f);
    if (fclose(f) != 0)
        return err_errno(err, "write '%s'", path), NULL;
    return path;
}

/* What exiftool can write among films and sounds: nothing else in the file changes. */
static bool is_quicktime(const char *mime)
{
    static const char *const types[] = {"video/mp4",  "video/x-m4v", "video/quicktime",
                                        "video/3gpp", "video/3gpp2", "audio/x-m4a"};

    return is_in(types, ARRAY_LEN(types), mime, strlen(mime));
}

/* exiftool believes the name before it looks. */
static bool is_misnamed(const struct robot_input *in)
{
    const char *by_name = *in->ext ? filetype_by_ext(in->ext) : in->mime;

    return !by_name ||
           (strcmp(by_name, in->mime) != 0 && !(is_quicktime(by_name) && is_quicktime(in->mime)));
}

/* path has no extension: with one it would be what exiftool makes. */
static int by_exiftool(struct robot_job *job, const struct robot_input *in, const char *path,
                       const T *o, struct err *err)
{
    const char *tags = tags_file(job, o->data_to_write, err);
    const char *argv[MOST_ARGS], *name;
    bool misnamed = is_misnamed(in);
    json_t *v;
    int n = 0;

    if (!tags)
        return -1;
    argv[n++] = "exiftool";
    argv[n++] = "-config"; /* none, and only as the first */
    argv[n++] = "";
    argv[n++] = "-q";
    argv[n++] = "-m"; /* small faults of a file are no reason */
    argv[n++] = "-f";
    argv[n++] = "-api";
    argv[n++] = "MissingTagValue=" REMOVED;
    argv[n++] = "-api";
    argv[n++] = "LargeFileSupport=1";
    if (needs_charset(
            o->data_to_write)) { /* what is there is put into the new one, so before all else */
        argv[n++] = "-tagsFromFile";
        argv[n++] = "@";
        argv[n++] = "-iptc:all";
        argv[n++] = "-IPTC:CodedCharacterSet=UTF8";
    }
    json_object_foreach (o->data_to_write, name,
                         v) /* before the others, or these would go as well */
        if (is_all(name))
            argv[n++] = arena_printf(robot_arena(job), "-%s=", name);
    argv[n++] = arena_printf(robot_arena(job), "-json=%s", tags);
    argv[n++] = "-o";
    argv[n++] = path;
    argv[n++] = misnamed ? "-" : in->path; /* from a pipe it would take all of it into memory */
    argv[n] = NULL;
    int rc = tool_run(job, &(struct tool){.argv = argv, .input = misnamed ? in->path : NULL}, err);
    unlink(tags);
    return rc;
}

/* ---- ffmpeg ---- */

/* exiftool's names of what ffmpeg calls otherwise; a name that is not here is passed on as it is.
 */
static const char *const ffmpeg_names[][2] = {
    {"albumartist", "album_artist"},
    {"band", "album_artist"},
    {"year", "date"},
    {"contentcreatedate", "date"},
    {"recordingtime", "date"},
    {"releasetime", "date"},
    {"tracknumber", "track"},
    {"partofset", "disc"},
    {"discnumber", "disc"},
    {"disknumber", "disc"},
    {"encodedby", "encoded_by"},
    {"encodersettings", "encoder"},
    {"beatsperminute", "TBPM"},
    {"datetimeoriginal", "date"},
    {"usercomment", "comment"},
    {"author", "artist"},
};

static const char *ffmpeg_name(struct arena *a, const char *tag)
{
    const char *colon = strrchr(tag, ':'), *plain = colon ? colon + 1 : tag;
    size_t len = strcspn(plain, "#");

    for (size_t i = 0; i < ARRAY_LEN(ffmpeg_names); i++)
        if (strlen(ffmpeg_names[i][0]) == len && !strncasecmp(ffmpeg_names[i][0], plain, len))
            return ffmpeg_names[i][1];
    char *name = arena_printf(a, "%.*s", (int)len, plain);
    for (char *p = name; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    return name;
}

/* As one text: several values of a tag stand behind each other. */
static void add_value(struct str *b, const json_t *v)
{
    json_t *item;
    size_t i;

    if (json_is_array(v)) {
        json_array_foreach (v, i, item) {
            str_puts(b, i ? ", " : "");
            add_value(b, item);
        }
    } else if (json_is_string(v)) {
        str_puts(b, json_string_value(v));
    } else if (!json_is_null(v)) {
        str_add_json_value(b, v);
    }
}

static int add_tags(const char **argv, struct arena *a, const json_t *tags)
{
    const char *tag;
    json_t *v;
    int n = 0;

    json_object_foreach ((json_t *)tags, tag, v) {
        AUTO(str_done) struct str text = {0};

        if (is_all(tag)) {
            argv[n++] = "-map_metadata";
            argv[n++] = "-1";
            continue;
        }
        add_value(&text, v);
        argv[n++] = "-metadata";
        argv[n++] = arena_printf(a, "%s=%s", ffmpeg_name(a, tag), text.s ? text.s : "");
    }
    return n;
}

/* Of the client's options those that say something to who copies streams. */
static int add_options(const char **argv, struct arena *a, const struct av_opts *o)
{
    static const char *const with_value[][2] = {{"movflags", "-movflags"}, {"strict", "-strict"}};
    static const char *const flags[][2] = {{"an", "-an"}, {"sn", "-sn"}, {"shortest", "-shortest"}};
    int n = 0;

    for (size_t i = 0; i < ARRAY_LEN(with_value); i++) {
        const char *v = av_opt(o, a, with_value[i][0]);

        if (v) {
            argv[n++] = with_value[i][1];
            argv[n++] = v;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        const char *v = av_opt(o, a, flags[i][0]);

        if (v && (!strcmp(v, "true") || !strcmp(v, "1")))
            argv[n++] = flags[i][1];
    }
    return n;
}

static bool ends_in(const char *path, const char *const *list)
{
    for (; *list; list++)
        if (str_ends(path, *list))
            return true;
    return false;
}

static int by_ffmpeg(struct robot_job *job, const struct robot_input *in, const char *path,
                     const T *o, struct err *err)
{
    static const char *const id3[] = {".mp3", ".aac", ".aiff", NULL}, *const optional[] = {
                                                                          ".aac", ".aiff", NULL};
    static const char *const begin[] = {"ffmpeg", "-v", "error", "-nostdin", AV_GUARD, "-i", NULL};
    struct arena *a = robot_arena(job);
    const char *argv[MOST_ARGS];
    int n = 0;

    for (const char *const *s = begin; *s; s++)
        argv[n++] = *s;
    argv[n++] = arena_printf(a, "file:%s", in->path);
    /* covers, subtitles and attachments as well; data that no container but its own has a name for
     * would stop it */
    for (const char *const *s = (const char *const[]){"0:v?", "0:a?", "0:s?", "0:t?", NULL}; *s;
         s++) {
        argv[n++] = "-map";
        argv[n++] = *s;
    }
    argv[n++] = "-c";
    argv[n++] = "copy";
    n += add_tags(argv + n, a, o->data_to_write);
    if (ends_in(path, id3)) { /* the version that all players read */
        argv[n++] = "-id3v2_version";
        argv[n++] = "3";
    }
    if (ends_in(path, optional)) {
        argv[n++] = "-write_id3v2";
        argv[n++] = "1";
    }
    n += add_options(argv + n, a, &o->av);
    for (const char *const *s = (const char *const[]){TOOL_PROGRESS, NULL}; *s; s++)
        argv[n++] = *s;
    argv[n++] = arena_printf(a, "file:%s", path);
    argv[n] = NULL;
    double length = jnum(in->meta, "duration", 0);
    return tool_run(job,
                    &(struct tool){.argv = argv,
                                   .progress_s = length > 0 ? length : 1,
                                   .to = 1,
                                   .clients_options = json_object_size(o->av.ffmpeg) > 0},
                    err);
}

/* ---- the job ---- */

static int write_one(struct robot_job *job, int i, const T *o, struct err *err)
{
    const struct robot_input *in = robot_input(job, i);
    const char *ext = filetype_ext(in->mime);
    bool options = json_object_size(o->av.ffmpeg) > 0, picture = str_starts(in->mime, "image/");

    if (!json_object_size(o->data_to_write) && (picture || !options))
        return robot_emit_same(job, i, NULL, err);
    if (!ext)
        return err_set(err, ERR_INPUT, "tags can't be written into '%.200s', a file of type %.60s",
                       in->name, in->mime);
    bool exiftool = picture || (is_quicktime(in->mime) && !options);
    const char *path = robot_out_path(job, exiftool ? "" : ext);
    if ((exiftool ? by_exiftool : by_ffmpeg)(job, in, path, o, err) < 0)
        return -1;
    return robot_emit(job, &(struct robot_output){.path = path, .input = i}, err);
}

static int write_run(struct robot_job *job, const void *opts, struct err *err)
{
    for (int i = 0; i < robot_input_count(job); i++)
        if (write_one(job, i, opts, err) < 0)
            return -1;
    return 0;
}

const struct robot robot_meta_write = {
    .name = "/meta/write",
    .summary = "Write tags into pictures, films and sounds",
    .accepts = "image/jpeg|image/png|image/gif|image/webp|image/tiff|image/avif|image/heic|image/"
               "jp2|image/jxl|"
               "image/x-portable-|image/vnd.adobe.photoshop|image/x-canon-cr2|image/"
               "x-nikon-nef|image/x-adobe-dng|video/|"
               "audio/mpeg|audio/x-m4a|audio/ogg|audio/opus|audio/flac|audio/x-wav|audio/"
               "x-aiff|audio/aac|audio/x-caf|"
               "audio/x-ms-wma|audio/webm",
    .role = ROLE_MEDIA,
    .passes_input = true,
    .price_factor = 1,
    .slots = 10,
    .opts_size = sizeof(T),
    .options = options,
    .check = write_check,
    .run = IN_WORKER(write_run),
};
