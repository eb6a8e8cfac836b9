/* /youtube/store: publish videos on YouTube. */
#include "transfer/youtube.h"
#include "transfer/values.h"

#include <stdio.h>
#include <string.h>

#define TITLE_MAX 100        /* characters; YouTube's limits */
#define DESCRIPTION_MAX 5000 /* bytes */
#define TAGS_MAX 500         /* characters, with a comma between two and quotes around those with spaces */

struct youtube_opts {
    struct youtube_place place;
    const char *title, *description, *keywords;
    int category, visibility;
};
#define T struct youtube_opts
/* The values are their numbers there. */
static const struct opt_choice categories[] = {
    {"autos & vehicles", 2}, {"comedy", 23},          {"education", 27},
    {"entertainment", 24},   {"film & animation", 1}, {"gaming", 20},
    {"howto & style", 26},   {"music", 10},           {"news & politics", 25},
    {"people & blogs", 22},  {"pets & animals", 15},  {"science & technology", 28},
    {"sports", 17},          {"travel & events", 19}, {0}};
static const struct opt_choice visibilities[] = {{"public", 0}, {"private", 1}, {"unlisted", 2}, {0}};

static const struct option options[] = {
    OPT_GROUP(T, place, struct youtube_place, youtube_place_options),
    OPT_STR(T, title, .required = true, .help = "Title of the video: at most 100 characters, no < and >."),
    OPT_STR(T, description, .required = true, .help = "Its description: at most 5000 bytes, no < and >."),
    OPT_ENUM(T, category, categories, .required = true, .help = "YouTube's category of the video."),
    OPT_STR(T, keywords, .required = true, .help = "Tags, separated by commas; at most 500 characters."),
    OPT_ENUM(T, visibility, visibilities, .required = true, .help = "Who can see the video."),
    OPT_END,
};

static size_t characters(const char *s)
{
    size_t n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xC0) != 0x80;
    return n;
}

static size_t tags_length(const char *keywords)
{
    AUTO(json_unref) json_t *tags = youtube_tags(keywords);
    size_t n = 0, i;
    json_t *tag;

    json_array_foreach (tags, i, tag)
        n += characters(json_string_value(tag)) + (strchr(json_string_value(tag), ' ') ? 2 : 0) + (i > 0);
    return n;
}

static int youtube_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;
    const char *const texts[][2] = {{"title", o->title}, {"description", o->description}, {"keywords", o->keywords}};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (texts[i][1] && strpbrk(texts[i][1], "<>"))
            return err_set(err, ERR_ROBOT_VALIDATION, "'%s' holds a < or >, which YouTube does not take", texts[i][0]);
    if (o->title && (!*o->title || value_has_control(o->title)) && !partial)
        return err_set(err, ERR_ROBOT_VALIDATION, "'title' is empty or holds a control character");
    if (o->title && characters(o->title) > TITLE_MAX)
        return err_set(err, ERR_ROBOT_VALIDATION, "'title' has %zu characters, but at most %d go",
                       characters(o->title), TITLE_MAX);
    if (o->description && strlen(o->description) > DESCRIPTION_MAX)
        return err_set(err, ERR_ROBOT_VALIDATION, "'description' has %zu bytes, but at most %d go",
                       strlen(o->description), DESCRIPTION_MAX);
    if (o->keywords && tags_length(o->keywords) > TAGS_MAX)
        return err_set(err, ERR_ROBOT_VALIDATION, "'keywords' has %zu characters, but at most %d go",
                       tags_length(o->keywords), TAGS_MAX);
    return 0;
}

/* ---- the work ---- */

struct publishing {
    struct youtube youtube;
    struct youtube_video video;
};

/* A failure of the other side is told by the Robot's own code. */
static int problem(const struct robot_job *job, struct err *err)
{
    char why[sizeof err->msg];
    bool is_private = err->is_private_address;

    if (!remote_is_failure(job, err))
        return -1;
    snprintf(why, sizeof why, "%s", err->msg);
    robot_fail(job, err, ERR_IMPORT, "PROBLEM_SENDING_FILE", "%s", why);
    err->is_private_address = is_private;
    return -1;
}

static int youtube_publish(void *ctx, struct remote_file *f, struct err *err)
{
    struct publishing *p = ctx;

    return youtube_put(&p->youtube, f, &p->video, err) < 0 ? problem(f->job, err) : 0;
}

static void youtube_address(void *ctx, const struct remote_file *f, struct str *url, struct str *ssl_url)
{
    const struct publishing *p = ctx;

    (void)f;
    str_addf(url, "https://www.youtube.com/watch?v=%s", p->youtube.id);
    str_puts(ssl_url, url->s);
}

static int youtube_run(struct robot_job *job, const void *opts, struct err *err)
{
    static const struct remote_protocol protocol = {.put = youtube_publish, .address = youtube_address};
    const T *o = opts;
    char category[12];
    struct publishing p;

    for (int i = 0; i < robot_input_count(job); i++)
        if (!str_starts(robot_input(job, i)->mime, "video/"))
            return robot_fail(job, err, ERR_INPUT, "PROBLEM_SENDING_FILE",
                              "YouTube takes videos only, and '%.100s' is %.60s", robot_input(job, i)->name,
                              str_given(robot_input(job, i)->mime) ? robot_input(job, i)->mime : "none");
    snprintf(category, sizeof category, "%d", o->category);
    p.video =
        (struct youtube_video){o->title, o->description, category, visibilities[o->visibility].name, o->keywords};
    int rc = youtube_open(&p.youtube, job, &o->place, err);
    if (rc == 0)
        rc = remote_store(job, &protocol, &p, &(struct store_opts){.path = o->title}, err);
    youtube_close(p.youtube);
    return rc;
}

static int youtube_undo(struct robot_job *job, const void *opts, const json_t *token, struct err *err)
{
    const T *o = opts;
    AUTO(youtube_close) struct youtube y = {0};

    return youtube_open(&y, job, &o->place, err) < 0 ? -1 : youtube_undo_put(&y, token, err);
}

const struct robot robot_store_youtube = {
    .name = "/youtube/store",
    .summary = "Publish videos on YouTube",
    .role = ROLE_TRANSFER,
    .is_store = true,
    .credentials = "youtube",
    .codes = "PROBLEM_SENDING_FILE",
    .price_factor = 6.6666,
    .opts_size = sizeof(T),
    .slots = 10,
    .options = options,
    .example = "{\"credentials\": \"my_channel\", \"title\": \"t\", \"description\": \"d\", \"category\": \"music\", "
               "\"keywords\": \"a, b\", \"visibility\": \"private\"}",
    .check = youtube_check,
    .run = IN_WORKER(youtube_run),
    .undo = IN_WORKER(youtube_undo),
};
