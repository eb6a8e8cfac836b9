/* /image/generate: pictures made of a text, or of other pictures and a text, by a service that
 * speaks OpenAI's interface. */
#include "robot/generate.h"
#include "transfer/made.h"
#include "transfer/values.h"

#define PIXELS (1024 * 1024) /* where only a ratio is asked for */
#define STEP 64
#define PICTURES_MAX 16 /* that are sent along */

struct image_generate_opts {
    struct generate_opts generate;
    int format; /* index of picture_formats[] */
};
#define T struct image_generate_opts
enum { ANY_FORMAT, AS_JPEG, AS_JPG, AS_PNG, AS_WEBP, AS_GIF, AS_SVG };
static const struct opt_choice picture_formats[] = {{"jpeg", AS_JPEG},
                                                    {"jpg", AS_JPG},
                                                    {"png", AS_PNG},
                                                    {"gif", AS_GIF},
                                                    {"webp", AS_WEBP},
                                                    {"svg", AS_SVG},
                                                    {0}};
static const char *const format_exts[] = {NULL, "jpeg", "jpg", "png", "webp"};
static const char *const format_names[] = {NULL, "jpeg", "jpeg", "png", "webp"};

static const struct option options[] = {
    OPT_GROUP(T, generate, struct generate_opts, generate_options),
    OPT_ENUM(T, format, picture_formats, .def = ANY_FORMAT,
             .help = "Format of the pictures: jpeg, png or webp. Left out: the model's own."),
    OPT_END,
};

extern const struct robot robot_image_generate;

static int image_generate_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;

    if (o->format == AS_GIF || o->format == AS_SVG)
        err_set(err, ERR_ROBOT_VALIDATION,
                "'format': services make jpeg, png and webp; a later Step with /image/resize makes "
                "gif of them");
    else if (generate_check(&o->generate, partial, err) == 0)
        return 0;
    return robot_refusal(err, &robot_image_generate);
}

/* ---- the question ---- */

struct drawing {
    struct robot_job *job;
    const T *o;
    struct ai *a;
    const char *model, *size, *prompt;
    int64_t done;
};

/* The newest ones of OpenAI itself refuse the field, and answer so in any case. */
static bool wants_base64(const struct drawing *d)
{
    return !str_starts(d->model, "gpt-image") && !str_starts(d->model, "chatgpt-image");
}

static json_t *ask_for_pictures(struct drawing *d, int64_t n, struct err *err)
{
    json_t *body = json_object();

    jset(body, "model", d->model);
    jset(body, "prompt", d->prompt);
    json_object_set_new(body, "n", json_integer(n));
    jset(body, "size", d->size);
    jset(body, "output_format", format_names[d->o->format]);
    if (d->o->generate.seed)
        json_object_set(body, "seed", d->o->generate.seed);
    if (wants_base64(d))
        jset(body, "response_format", "b64_json");
    AUTO(json_unref) json_t *own = body;
    return ai_call(
        d->a,
        &(struct ai_call){.path = "/images/generations", .body = own, .most = AI_PICTURES_MAX},
        err);
}

#define PART(n, v)                                                                                 \
    if ((v))                                                                                       \
        parts[count++] = (struct ai_part) { .name = (n), .text = (v) }

/* Pictures are changed, or put together; where there is a mask, only there. */
static json_t *ask_for_edits(struct drawing *d, int64_t n, struct err *err)
{
    const struct robot_input *mask = robot_input_as(d->job, "mask", 0);
    const json_t *seed = d->o->generate.seed;
    struct ai_part parts[AI_PARTS_MAX];
    struct arena *arena = robot_arena(d->job);
    int count = 0, inputs = robot_input_count(d->job), pictures = 0;

    for (int i = 0; i < inputs; i++)
        pictures += strcmp(robot_input(d->job, i)->as, "mask") != 0;
    if (!pictures || pictures > PICTURES_MAX || inputs - pictures > 1) {
        robot_fail(d->job, err, ERR_INPUT, "VALIDATION",
                   "the inputs are %d pictures and %d masks: 1 to %d pictures can be worked on, "
                   "with at most one mask",
                   pictures, inputs - pictures, PICTURES_MAX);
        return NULL;
    }
    PART("model", d->model);
    PART("prompt", d->prompt);
    PART("n", arena_printf(arena, "%lld", (long long)n));
    PART("size", d->size);
    PART("output_format", format_names[d->o->format]);
    PART("seed", seed ? arena_printf(arena, "%lld", (long long)json_integer_value(seed)) : NULL);
    PART("response_format", wants_base64(d) ? "b64_json" : NULL);
    for (int i = 0; i < inputs; i++)
        if (robot_input(d->job, i) != mask)
            parts[count++] = (struct ai_part){.name = pictures > 1 ? "image[]" : "image",
                                              .file = robot_input(d->job, i)};
    if (mask)
        parts[count++] = (struct ai_part){.name = "mask", .file = mask};
    return ai_call(
        d->a,
        &(struct ai_call){
            .path = "/images/edits", .parts = parts, .part_count = count, .most = AI_PICTURES_MAX},
        err);
}

/* ---- the answer ---- */

static int take_picture(struct drawing *d, const json_t *one, struct err *err)
{
    AUTO(made_done) struct made m = {0};
    const char *base64 = jstr(one, "b64_json"), *url = jstr_or(one, "url", "");
    int64_t most = made_most(d->job), of = d->o->generate.num_outputs;
    int rc;

    if (made_open(&m, d->job, err) < 0)
        return -1;
    if (base64 || str_starts(url, "data:"))
        rc = ai_base64_to_fd(d->a, base64 ? base64 : url, m.fd, most, err);
    else
        rc = value_is_web(url)
                 ? ai_fetch_to_fd(d->a, url, m.fd, most, (char[AI_MIME_MAX]){0}, err)
                 : api_odd(&d->a->api, err, "a picture without its bytes or an address");
    if (rc < 0)
        return -1;
    d->done++;
    robot_progress(d->job, (double)d->done / (double)of);
    return made_emit(
        &m, d->a,
        &(struct made_emit){.what = MADE_PICTURE,
                            .ext = d->o->format ? format_exts[d->o->format] : NULL,
                            .name = generate_name(robot_arena(d->job), "image", d->done, of),
                            .input = robot_input_count(d->job) ? 0 : -1},
        err);
}

static int take_pictures(struct drawing *d, const json_t *answer, struct err *err)
{
    const json_t *list = json_object_get(answer, "data"), *one;
    size_t i;

    if (!json_array_size(list))
        return api_odd(&d->a->api, err, "there is no picture in it");
    json_array_foreach (list, i, one)
        if (d->done < d->o->generate.num_outputs && take_picture(d, one, err) < 0)
            return -1;
    return 0;
}

static int image_generate_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    AUTO(ai_done) struct ai a = {0};
    struct drawing d = {.job = job,
                        .o = o,
                        .a = &a,
                        .size = generate_size(robot_arena(job), &o->generate, PIXELS, STEP),
                        .prompt = generate_prompt(robot_arena(job), &o->generate, NULL)};

    if (ai_open(&a, job, "images", NULL, err) < 0 ||
        !(d.model = ai_model(&a, o->generate.model, err)))
        return -1;
    /* some models make one at a time, however many they are asked for */
    while (d.done < o->generate.num_outputs) {
        int64_t left = o->generate.num_outputs - d.done;
        AUTO(json_unref)
        json_t *answer =
            robot_input_count(job) ? ask_for_edits(&d, left, err) : ask_for_pictures(&d, left, err);

        if (!answer || take_pictures(&d, answer, err) < 0)
            return -1;
    }
    return 0;
}

const struct robot robot_image_generate = {
    .name = "/image/generate",
    .summary = "Make pictures of a text",
    .accepts = "image/",
    .takes = {"image", "mask"},
    .role = ROLE_TRANSFER,
    .keys = AI_KEYS,
    .no_input = true,
    .price_factor = 1,
    .slots = 10,
    .opts_size = sizeof(T),
    .options = options,
    .example = "{\"prompt\": \"A lighthouse at dusk\"}",
    .check = image_generate_check,
    .run = IN_WORKER(image_generate_run),
};
