/* Assembly Instructions, parsed and checked. */
#include "assembly/instructions.h"
#include "assembly/variables.h"
#include "base/near.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define MAX_STEPS 500

static int find_step(const struct instructions *in, const char *name)
{
    for (int i = 0; i < in->count; i++)
        if (!strcmp(in->steps[i].name, name))
            return i;
    return -1;
}

static bool truthy(const json_t *v)
{
    const char *s = json_string_value(v);

    return json_is_true(v) || (s && !strcmp(s, "true"));
}

static int parse_ignore(unsigned *out, const json_t *v)
{
    static const struct {
        const char *name;
        unsigned bit;
    } phases[] = {{"meta", IGNORE_META}, {"execute", IGNORE_EXECUTE}, {"import", IGNORE_IMPORT}};
    json_t *item;
    size_t i;

    *out = 0;
    if (!v || json_is_false(v) || json_is_null(v))
        return 0;
    if (truthy(v)) {
        *out = IGNORE_ALL;
        return 0;
    }
    if (!json_is_array(v))
        return -1;
    json_array_foreach (v, i, item) {
        const char *s = json_string_value(item);
        size_t p = 0;

        while (p < ARRAY_LEN(phases) && (!s || strcmp(s, phases[p].name)))
            p++;
        if (p == ARRAY_LEN(phases))
            return -1;
        *out |= phases[p].bit;
    }
    return 0;
}

static int bad_use(struct err *err, const char *why)
{
    return err_set(err, ERR_STEP_INVALID_USE, "The `use` of a step is invalid: %s", why);
}

/* A wrong value of a parameter that every Robot has: the Robot's code. */
static int PRINTF_LIKE(3, 4) bad_value(const struct step *s, struct err *err, const char *fmt, ...)
{
    char code[ROBOT_CODE_MAX], text[256];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    robot_code_invalid(code, s->robot);
    return err_set_named(err, ERR_ROBOT_VALIDATION, code, "%s", text);
}

/* Inputs with roles belong together (robots.md 3.7). A role that the Robot has no use for would be lost in silence. */
static int take_role(struct step *s, const char *as, struct err *err)
{
    s->bundle = robot_takes(s->robot, as);
    return s->bundle ? 0
                     : bad_value(s, err, "an input with `as: \"%.100s\"` is not supported by this server's %s", as,
                                 s->robot->name);
}

static int add_use(struct instructions *in, struct step *s, const char *name, const char *as,
                   const char *field, struct err *err)
{
    if (!*name)
        return bad_use(err, "an empty step name");
    int from = find_step(in, name);
    if (from < 0) {
        struct near near = near_to(name);

        for (int i = 0; i < in->count; i++)
            near_try(&near, in->steps[i].name);
        err_set(err, ERR_STEP_UNKNOWN_USE, "`use` names the step '%.100s', which does not exist", name);
        return near_say(err, &near, "");
    }
    struct use *grown = arena_alloc(in->arena, (size_t)(s->use_count + 1) * sizeof *grown);
    if (s->use_count)
        memcpy(grown, s->uses, (size_t)s->use_count * sizeof *grown);
    grown[s->use_count++] = (struct use){from, as, field};
    s->uses = grown;
    return *as ? take_role(s, as, err) : 0;
}

/* A string, {name, as, fields}, or an array of both. */
static int parse_use_list(struct instructions *in, struct step *s, const json_t *v, bool nested,
                          struct err *err)
{
    json_t *item;
    size_t i;

    if (json_is_string(v))
        return add_use(in, s, json_string_value(v), "", NULL, err);
    if (json_is_object(v)) {
        const char *name = jstr(v, "name");
        const json_t *as = json_object_get(v, "as");

        if (!name)
            return bad_use(err, "an object without a `name`");
        if (as && !json_is_string(as) && !json_is_null(as))
            return bad_use(err, "`as` is not a text");
        return add_use(in, s, name, jstr_or(v, "as", ""), jstr(v, "fields"), err);
    }
    if (!json_is_array(v) || nested)
        return bad_use(err, "only texts, objects and lists of them are allowed");
    if (!json_array_size(v))
        return bad_use(err, "an empty list");
    json_array_foreach (v, i, item)
        if (parse_use_list(in, s, item, true, err) < 0)
            return -1;
    return 0;
}

static int parse_use(struct instructions *in, struct step *s, struct err *err)
{
    const json_t *v = json_object_get(s->params, "use");

    if (!v)
        return 0;
    if (s == &in->steps[STEP_ORIGINAL])
        return bad_use(err, "/upload/handle has no input");
    if (json_is_object(v) && !json_object_get(v, "name")) {
        const json_t *steps = json_object_get(v, "steps"), *f = json_object_get(v, "fields");

        if (!steps)
            return bad_use(err, "an object without `steps`");
        if (f && !json_is_array(f))
            return bad_use(err, "`fields` is not a list");
        s->fields = f;
        s->bundle = truthy(json_object_get(v, "bundle_steps"));
        s->group_by_original = truthy(json_object_get(v, "group_by_original"));
        return parse_use_list(in, s, steps, false, err);
    }
    if (json_is_object(v))
        return bad_use(err, "an object without `steps`");
    return parse_use_list(in, s, v, false, err);
}

static int parse_step(struct instructions *in, struct step *s, struct err *err)
{
    const json_t *robot;

    if (!json_is_object(s->params))
        return err_set(err, ERR_STEP_INVALID, "A step must be an object");
    robot = json_object_get(s->params, "robot");
    if (!robot)
        return err_set(err, ERR_STEP_NO_ROBOT, "The step has no `robot`");
    if (!json_is_string(robot))
        return err_set(err, ERR_STEP_INVALID_ROBOT, "The step's `robot` is not a text");
    s->robot = robot_find(json_string_value(robot));
    if (!s->robot)
        return robot_unknown(err, json_string_value(robot));
    bool handles_uploads = s->robot->flags & ROBOT_HANDLES_UPLOADS;
    bool is_original = !strcmp(s->name, ":original");
    if (is_original && !handles_uploads)
        return err_set(err, ERR_STEP_NAME, "The step :original must use /upload/handle");
    if (handles_uploads && !is_original)
        return err_set(err, ERR_UPLOAD_HANDLE_NAME,
                       "The step with /upload/handle must be called :original");
    return 0;
}

static int parse_shared(struct step *s, struct err *err)
{
    const json_t *queue = json_object_get(s->params, "queue");
    const char *q = json_string_value(queue);

    if (parse_ignore(&s->ignore, json_object_get(s->params, "ignore_errors")) < 0)
        return bad_value(s, err,
                         "'ignore_errors' must be true, false or a list of \"meta\", \"execute\" and \"import\"");
    if (truthy(json_object_get(s->params, "ignore_errors")) && s->robot->flags & ROBOT_IGNORES_META)
        s->ignore = IGNORE_META;
    if (queue && !json_is_null(queue) && (!q || strcmp(q, "batch")))
        return bad_value(s, err, "'queue' can only be \"batch\"");
    const json_t *user_meta = json_object_get(s->params, "user_meta");
    if (user_meta && !json_is_null(user_meta) && !json_is_object(user_meta) && !options_have_expression(user_meta))
        return bad_value(s, err, "'user_meta' must be an object");
    s->batch = q != NULL;
    s->result = truthy(json_object_get(s->params, "result")) ||
                !strcmp(jstr_or(s->params, "result", ""), "debug");
    s->force_accept = truthy(json_object_get(s->params, "force_accept"));
    return 0;
}

/* Can `from` be reached from `at` by going upstream? Edges that leave :original do not count. */
static bool reaches(const struct instructions *in, int at, int from, char *seen)
{
    for (int u = 0; u < in->steps[at].use_count; u++) {
        int up = in->steps[at].uses[u].step;

        if (up == STEP_ORIGINAL)
            continue;
        if (up == from)
            return true;
        if (!seen[up]) {
            seen[up] = 1;
            if (reaches(in, up, from, seen))
                return true;
        }
    }
    return false;
}

static bool is_switch(const json_t *v)
{
    const char *s = json_string_value(v);

    return json_is_boolean(v) || (s && (!strcmp(s, "true") || !strcmp(s, "false")));
}

static int check_interpolate(struct step *s, struct err *err)
{
    json_t *v = json_object_get(s->params, "interpolate"), *each;
    const char *name;

    if (!v || is_switch(v))
        return 0;
    json_object_foreach (v, name, each)
        if (!is_switch(each))
            return bad_value(s, err, "'interpolate' must say true or false of '%.100s'", name);
    return json_is_object(v)
               ? 0
               : bad_value(s, err, "'interpolate' must be true, false, or an object with one of them for each name");
}

/* An expression reads the file by some of these words, and then needs all that is known of it. */
static bool may_read_file(const char *code)
{
    return strstr(code, "file") || strstr(code, "meta") || strstr(code, "this") || strstr(code, "eval");
}

/* What the engine must see before the Step's jobs begin, whatever their files are. */
static void look_at_expressions(struct instructions *in, struct step *s)
{
    const struct variables none = {.assembly_id = ""};
    AUTO(json_unref) json_t *asked = NULL, *of_job = NULL, *before = json_copy(s->params);
    json_t *e;
    size_t i;

    json_object_del(before, "user_meta"); /* is evaluated for what the jobs make */
    s->has_expression = options_have_expression(s->params);
    if (s->has_expression) {
        asked = variables_ask(s->params, s->robot->options, &none);
        of_job = variables_ask(before, s->robot->options, &none);
    }
    s->needs_engine = of_job != NULL;
    json_array_foreach (asked, i, e)
        in->needs_meta |= may_read_file(jstr_or(e, "code", ""));
}

static int check_robot(struct instructions *in, struct step *s, struct err *err)
{
    AUTO(arena_free) struct arena *a = arena_new();
    void *opts;

    look_at_expressions(in, s);
    return parse_shared(s, err) < 0 || check_interpolate(s, err) < 0 ||
                   robot_options(&opts, a, s->robot, s->params, /* partial= */ true, err) < 0
               ? -1
               : 0;
}

/* A variable that reads the meta of a file, or an expression that might. */
static bool mentions_meta(const json_t *v)
{
    const char *key, *s = json_string_value(v);
    json_t *below;
    size_t i;

    if (s)
        return strstr(s, "${") && strstr(s, "meta");
    json_object_foreach ((json_t *)v, key, below)
        if (mentions_meta(below))
            return true;
    json_array_foreach (v, i, below)
        if (mentions_meta(below))
            return true;
    return false;
}

static int check_name(const char *name, struct err *err)
{
    if (!*name || strlen(name) > 255)
        return err_set(err, ERR_STEP_NAME, "A step's name must have 1 to 255 bytes");
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < 0x20)
            return err_set(err, ERR_STEP_NAME, "A step's name holds a control character");
    return 0;
}

static int check_steps(const json_t *steps, struct err *err)
{
    if (!steps || json_is_null(steps))
        return err_set(err, ERR_NO_STEPS, "The instructions have no `steps`");
    if (!json_is_object(steps))
        return err_set(err, ERR_INVALID_STEPS, "`steps` is not an object");
    if (!json_object_size(steps))
        return err_set(err, ERR_EMPTY_STEPS, "`steps` is empty");
    if (json_object_size(steps) > MAX_STEPS)
        return err_set(err, ERR_INVALID_STEPS, "%zu steps are more than the limit of %d",
                       json_object_size(steps), MAX_STEPS);
    return 0;
}

/* ---- parameters that name a file by its address ---- */

static void add_side(struct instructions *in, struct step *s, int from, const char *as)
{
    struct use *grown = arena_alloc(in->arena, (size_t)(s->use_count + 1) * sizeof *grown);

    if (s->use_count)
        memcpy(grown, s->uses, (size_t)s->use_count * sizeof *grown);
    grown[s->use_count++] = (struct use){.step = from, .as = as, .side = true};
    s->uses = grown;
}

static void unref(void *j) { json_decref(j); }

/* The step that fetches url, which several may share: an address is asked once in an Assembly. */
static int fetching_step(struct instructions *in, const struct step *owner, const char *url)
{
    for (int i = 1; i < in->count; i++)
        if (in->steps[i].hidden && !strcmp(jstr_or(in->steps[i].params, "url", ""), url))
            return i;
    const struct robot *robot = robot_that(ROBOT_FETCHES);
    struct step *grown = arena_alloc(in->arena, (size_t)(in->count + 1) * sizeof *grown);
    json_t *params = json_pack("{s:s,s:s,s:s}", "robot", robot->name, "url", url, "url_delimiter", "");

    arena_defer(in->arena, unref, params);
    memcpy(grown, in->steps, (size_t)in->count * sizeof *grown);
    grown[in->count] = (struct step){
        .name = owner->name, .robot = robot, .params = params, .batch = owner->batch, .hidden = true};
    in->steps = grown;
    look_at_expressions(in, &grown[in->count]);
    return in->count++;
}

static int add_fetch(struct instructions *in, int step, const struct option *o, const char *url, struct err *err)
{
    const struct step *owner = &in->steps[step];
    AUTO(arena_free) struct arena *a = arena_new();
    void *opts;

    if (strstr(url, "${file"))
        return bad_value(owner, err, "'%s' is fetched once for all files, so it can't depend on one", o->name);
    int from = fetching_step(in, owner, url);
    if (robot_options(&opts, a, in->steps[from].robot, in->steps[from].params, /* partial= */ true, err) < 0)
        return bad_value(&in->steps[step], err, "'%s' must be an http or https address", o->name);
    add_side(in, &in->steps[step], from, o->fetched);
    return 0;
}

static int add_fetches(struct instructions *in, int step, struct err *err)
{
    const struct option *o;

    for (struct opt_walk w = opt_walk(in->steps[step].robot->options); (o = opt_next(&w));) {
        const char *url = o->fetched ? jstr(in->steps[step].params, o->name) : NULL;

        if (str_given(url) && add_fetch(in, step, o, url, err) < 0)
            return -1;
    }
    return 0;
}

int step_sides(const struct step *s)
{
    int n = 0;

    for (int u = 0; u < s->use_count; u++)
        n += s->uses[u].side;
    return n;
}

int instructions_parse(struct instructions **out, json_t *steps, const char **bad_step,
                       struct err *err)
{
    AUTO(instructions_free) struct instructions *in = mem_zalloc(sizeof *in);
    const char *name;
    json_t *v;
    int n = 1;

    *bad_step = NULL;
    if (check_steps(steps, err) < 0)
        return -1;
    in->arena = arena_new();
    in->root = json_incref(steps);
    in->steps = arena_alloc(in->arena, (json_object_size(steps) + 1) * sizeof *in->steps);
    in->steps[STEP_ORIGINAL] = (struct step){.name = ":original", .robot = robot_that(ROBOT_HANDLES_UPLOADS),
                                             .leaf = true};
    json_object_foreach (steps, name, v) {
        struct step *s = &in->steps[strcmp(name, ":original") ? n++ : STEP_ORIGINAL];

        *s = (struct step){.name = name, .params = v, .declared = true, .leaf = true};
        *bad_step = name;
        if (check_name(name, err) < 0 || parse_step(in, s, err) < 0)
            return -1;
    }
    in->count = n;
    for (int i = 1; i < n; i++) {
        *bad_step = in->steps[i].name;
        if (parse_use(in, &in->steps[i], err) < 0)
            return -1;
        for (int u = 0; u < in->steps[i].use_count; u++)
            in->steps[in->steps[i].uses[u].step].leaf = false;
    }
    for (int i = 1; i < n; i++) {
        AUTO(mem_free) char *seen = mem_zalloc((size_t)n);

        *bad_step = in->steps[i].name;
        if (reaches(in, i, i, seen))
            return err_set(err, ERR_INFINITE, "The step '%.100s' uses itself, directly or by way of others",
                           in->steps[i].name);
    }
    for (int i = 0; i < n; i++) {
        *bad_step = in->steps[i].name;
        if (in->steps[i].declared && check_robot(in, &in->steps[i], err) < 0)
            return -1;
    }
    for (int i = 0; i < n; i++)
        in->needs_meta |= in->steps[i].robot->passes_input || mentions_meta(in->steps[i].params);
    for (int i = 1; i < n; i++) {
        *bad_step = in->steps[i].name;
        if (add_fetches(in, i, err) < 0)
            return -1;
    }
    *bad_step = NULL;
    *out = take(in);
    return 0;
}

void instructions_free(struct instructions *in)
{
    if (!in)
        return;
    json_decref(in->root);
    arena_free(in->arena);
    free(in);
}

bool step_wants_field(const struct step *s, int use, const char *field)
{
    const char *only = s->uses[use].field;
    json_t *item;
    size_t i;

    if (only && (!field || strcmp(only, field)))
        return false;
    if (!s->fields)
        return true;
    json_array_foreach (s->fields, i, item)
        if (field && json_is_string(item) && !strcmp(json_string_value(item), field))
            return true;
    return false;
}
