/* /video/generate: films made of a text, or of a picture and a text, by a service that speaks
 * OpenAI's interface: a film is ordered, asked after until it is done, fetched, and deleted there.
 */
#include "robot/generate.h"
#include "base/clock.h"
#include "transfer/ai_private.h"
#include "transfer/made.h"

#include <unistd.h>

#define PIXELS (1280 * 720) /* where only a ratio is asked for */
#define STEP 16
#define PAUSE_MS 1000
#define LONGEST 4       /* PAUSE_MS is doubled so often less one */
#define SPARE_S 10      /* of the job's time, to take back what was ordered */
#define ID_MOST 200     /* bytes */
#define FETCHES 3       /* of a film that is done */
#define SHARE_MADE 0.95 /* of the progress of a film, until it is fetched */

struct video_generate_opts {
    struct generate_opts generate;
    int format; /* enum video_format */
    double duration, fps;
    json_t *motion_amount, *reference_strength; /* numbers; NULL: not given */
    const char *camera_motion, *negative_prompt;
};
#define T struct video_generate_opts
enum video_format { ANY_FILM, AS_MP4, AS_GIF };
static const struct opt_choice film_formats[] = {{"mp4", AS_MP4}, {"gif", AS_GIF}, {0}};

static const struct option options[] = {
    OPT_GROUP(T, generate, struct generate_opts, generate_options),
    OPT_ENUM(T, format, film_formats, .def = ANY_FILM, .help = "mp4. Left out: the model's own."),
    OPT_NUM(T, duration, .min = 0, .max = 3600, .unit = "s",
            .help = "How long. 0: as the service likes."),
    OPT_NUM(T, fps, .min = 0, .max = 240, .help = "Pictures a second. 0: as the service likes."),
    OPT_JSON(T, motion_amount, .example = "0.5",
             .help = "How much moves, a number that the model knows."),
    OPT_STR(T, camera_motion, .example = "\"slow pan to the left\"",
            .help = "What the camera does, which is said behind the prompt."),
    OPT_STR(T, negative_prompt, .example = "\"text\"", .help = "What is not to be seen."),
    OPT_JSON(T, reference_strength, .example = "0.5",
             .help =
                 "How near to stay to the picture that is given, a number that the model knows."),
    OPT_END,
};

extern const struct robot robot_video_generate;

static int check_number(const char *name, const json_t *v, bool partial, struct err *err)
{
    if (!v || json_is_null(v) || json_is_number(v) || (partial && json_is_string(v)))
        return 0;
    return err_set(err, ERR_ROBOT_VALIDATION, "'%s' must be a number", name);
}

static int video_generate_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;

    if (o->format == AS_GIF)
        err_set(err, ERR_ROBOT_VALIDATION,
                "'format': services make mp4; a later Step with /video/encode makes gif of it");
    else if (check_number("motion_amount", o->motion_amount, partial, err) == 0 &&
             check_number("reference_strength", o->reference_strength, partial, err) == 0 &&
             generate_check(&o->generate, partial, err) == 0)
        return 0;
    return robot_refusal(err, &robot_video_generate);
}

/* ---- an order ---- */

struct filming {
    struct robot_job *job;
    const T *o;
    struct ai *a;
    const char *model;
    int64_t done, deadline_us;
    const char *id; /* of the one under way */
};

/* It becomes part of addresses. */
static bool is_id(const char *id)
{
    size_t n = id ? strlen(id) : 0;

    return n && n <= ID_MOST &&
           strspn(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-") == n;
}

static const char *number_text(struct arena *a, const json_t *v)
{
    AUTO(mem_free) char *text = json_is_number(v) ? json_text(v) : NULL;

    return text ? arena_strdup(a, text) : NULL;
}

static void part_add(struct ai_part *parts, int *count, const char *name, const char *text)
{
    if (str_given(text))
        parts[(*count)++] = (struct ai_part){.name = name, .text = text};
}

static int order_parts(struct ai_part parts[AI_PARTS_MAX], const struct filming *f)
{
    struct arena *a = robot_arena(f->job);
    const T *o = f->o;
    int count = 0;

    part_add(parts, &count, "model", f->model);
    part_add(parts, &count, "prompt", generate_prompt(a, &o->generate, o->camera_motion));
    part_add(parts, &count, "size", generate_size(a, &o->generate, PIXELS, STEP));
    part_add(parts, &count, "seconds", o->duration > 0 ? arena_printf(a, "%g", o->duration) : NULL);
    part_add(parts, &count, "fps", o->fps > 0 ? arena_printf(a, "%g", o->fps) : NULL);
    part_add(parts, &count, "seed", number_text(a, o->generate.seed));
    part_add(parts, &count, "motion_amount", number_text(a, o->motion_amount));
    part_add(parts, &count, "reference_strength", number_text(a, o->reference_strength));
    part_add(parts, &count, "negative_prompt", o->negative_prompt);
    if (robot_input_count(f->job))
        parts[count++] =
            (struct ai_part){.name = "input_reference", .file = robot_input(f->job, 0)};
    return count;
}

/* Sent once: nobody knows whether one whose answer was lost is being made, and it costs. */
static int film_order(struct filming *f, struct err *err)
{
    struct ai_part parts[AI_PARTS_MAX];
    int count = order_parts(parts, f);
    AUTO(ai_form_done) struct ai_form form = {0};
    AUTO(mem_free) char *url = mem_printf("%s/videos", f->a->base);

    if (ai_form_make(&form, parts, count, err) < 0)
        return -1;
    AUTO(json_unref)
    json_t *answer = api_json(&f->a->api,
                              &(struct api_call){.method = "POST",
                                                 .url = url,
                                                 .type = form.type,
                                                 .fd = -1,
                                                 .length = -1,
                                                 .pieces = form.pieces,
                                                 .piece_count = form.count,
                                                 .once = true},
                              err);
    if (!answer)
        return -1;
    if (!is_id(jstr(answer, "id")))
        return api_odd(&f->a->api, err, "a film without a name to ask for it by");
    f->id = arena_strdup(robot_arena(f->job), jstr(answer, "id"));
    return robot_set_undo(f->job, json_pack("{s:s}", "id", f->id), err);
}

/* Fine if it is not there any more, and where nothing can be deleted. */
static int delete_there(struct ai *a, const char *id, struct err *err)
{
    static const int fine[] = {404, 405, 410, 501, 0};
    AUTO(mem_free) char *url = mem_printf("%s/videos/%s", a->base, id);
    AUTO(http_client_response_done) struct http_client_response r = {0};

    return api_run(
        &r, &a->api,
        &(struct api_call){.method = "DELETE", .url = url, .fd = -1, .length = -1, .fine = fine},
        err);
}

/* ---- until it is done ---- */

static int not_made(const struct filming *f, const json_t *answer, struct err *err)
{
    const char *why = jstr_or(json_object_get(answer, "error"), "message", "it does not say why");
    char line[200];
    size_t n = 0;

    for (; *why && n + 1 < sizeof line; why++)
        line[n++] = (unsigned char)*why < ' ' || *why == 0x7f ? ' ' : *why;
    line[n] = 0;
    return remote_fail(f->job, REMOTE_FAILED, err, "%s could not make the film: %s",
                       f->a->api.service, line);
}

static void tell(const struct filming *f, double share)
{
    robot_progress(f->job, ((double)f->done + share) / (double)f->o->generate.num_outputs);
}

/* 1: it is done. 0: not yet. */
static int film_look(struct filming *f, struct err *err)
{
    AUTO(mem_free) char *path = mem_printf("/videos/%s", f->id);
    AUTO(json_unref) json_t *answer = ai_call(f->a, &(struct ai_call){.path = path}, err);
    const char *status = jstr_or(answer, "status", "");

    if (!answer)
        return -1;
    if (!strcmp(status, "completed"))
        return 1;
    if (!strcmp(status, "failed") || !strcmp(status, "cancelled"))
        return not_made(f, answer, err);
    if (strcmp(status, "queued") != 0 && strcmp(status, "in_progress") != 0)
        return api_odd(&f->a->api, err, "a film whose status is unknown");
    double percent = jnum(answer, "progress", 0);
    tell(f, SHARE_MADE * (percent > 0 ? percent < 100 ? percent / 100 : 1 : 0));
    return 0;
}

static int film_wait(struct filming *f, struct err *err)
{
    for (int turn = 1;; turn++) {
        int rc = film_look(f, err);

        if (rc)
            return rc < 0 ? -1 : 0;
        if (clock_mono_us() >= f->deadline_us)
            return remote_fail(f->job, REMOTE_FAILED, err,
                               "%s has not made the film in time (setting timeout_s)",
                               f->a->api.service);
        remote_pause(f->job, turn < LONGEST ? turn : LONGEST, PAUSE_MS);
    }
}

static int fetch_film(struct filming *f, struct err *err)
{
    AUTO(mem_free) char *path = mem_printf("/videos/%s/content", f->id);
    int64_t nth = f->done + 1, of = f->o->generate.num_outputs;
    AUTO(made_done) struct made m = {0};

    if (made_open(&m, f->job, err) < 0)
        return -1;
    for (int attempt = 1;; attempt++) {
        char mime[AI_MIME_MAX];

        if (ftruncate(m.fd, 0) < 0 || lseek(m.fd, 0, SEEK_SET) < 0)
            return err_errno(err, "empty '%s'", m.path);
        if (ai_call_to_fd(f->a, &(struct ai_call){.path = path}, m.fd, made_most(f->job), mime,
                          err) == 0)
            break;
        if (attempt == FETCHES || !remote_is_failure(f->job, err) || err->is_private_address)
            return -1;
        remote_pause(f->job, attempt, PAUSE_MS);
    }
    return made_emit(
        &m, f->a,
        &(struct made_emit){.what = MADE_FILM,
                            .ext = f->o->format == AS_MP4 ? "mp4" : NULL,
                            .name = generate_name(robot_arena(f->job), "video", nth, of),
                            .input = robot_input_count(f->job) ? 0 : -1},
        err);
}

static int film_make(struct filming *f, struct err *err)
{
    struct err ignored;

    f->id = NULL;
    int rc = film_order(f, err) < 0 || film_wait(f, err) < 0 || fetch_film(f, err) < 0 ? -1 : 0;
    /* what can't be deleted now stays announced where it failed, and is the service's own affair
     * where it is here */
    if (f->id && (delete_there(f->a, f->id, &ignored) == 0 || rc == 0) &&
        robot_set_undo(f->job, NULL, &ignored) < 0)
        return -1;
    return rc;
}

static int video_generate_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    int64_t most_s = jint(robot_settings(job), "timeout_s", 600);
    AUTO(ai_done) struct ai a = {0};
    struct filming f = {.job = job,
                        .o = o,
                        .a = &a,
                        .deadline_us =
                            clock_mono_us() +
                            (most_s > 2 * SPARE_S ? most_s - SPARE_S : most_s) * SECOND_US};

    if (ai_open(&a, job, "videos", NULL, err) < 0 ||
        !(f.model = ai_model(&a, o->generate.model, err)))
        return -1;
    for (; f.done < o->generate.num_outputs; f.done++)
        if (film_make(&f, err) < 0)
            return -1;
    return 0;
}

static int video_generate_undo(struct robot_job *job, const void *opts, const json_t *token,
                               struct err *err)
{
    AUTO(ai_done) struct ai a = {0};

    (void)opts;
    if (!is_id(jstr(token, "id")))
        return err_set(err, ERR_INTERNAL, "the note about the open film is incomplete");
    return ai_open(&a, job, "videos", NULL, err) < 0 ? -1
                                                     : delete_there(&a, jstr(token, "id"), err);
}

const struct robot robot_video_generate = {
    .name = "/video/generate",
    .summary = "Make films of a text",
    .accepts = "image/",
    .takes = {"image"},
    .role = ROLE_TRANSFER,
    .keys = AI_KEYS,
    .no_input = true,
    .price_factor = 1,
    .timeout_s = 3600,
    .slots = 10,
    .opts_size = sizeof(T),
    .options = options,
    .example = "{\"prompt\": \"Waves at dusk\"}",
    .check = video_generate_check,
    .run = IN_WORKER(video_generate_run),
    .undo = IN_WORKER(video_generate_undo),
};
