/* `workcell template`. */
#include "admin.h"
#include "api/template_use.h"
#include "assembly/instructions.h"
#include "base/clock.h"
#include "base/id.h"

#include <stdio.h>
#include <string.h>

/* It is kept as it is: Assemblies may add to it, and the next version may know more. */
static void try_template(const json_t *content)
{
    AUTO(instructions_free) struct instructions *in = NULL;
    json_t *steps = json_object_get(content, "steps");
    const char *bad_step;
    struct err err;

    if (json_object_size(steps) && instructions_parse(&in, steps, &bad_step, &err) < 0)
        fprintf(stderr, "workcell: by itself it would not run: %s%s%s\n", err.msg, bad_step ? " - step " : "",
                bad_step ? bad_step : "");
}

static int template_put(struct admin *a, bool create, struct err *err)
{
    const char *name = a->words[1];
    struct store_template *old = NULL;
    char id[ID_LEN + 1];
    int64_t now = clock_now_us();

    if (create && (template_check_name(name, err) < 0))
        return -1;
    if (!create && store_template_get(&old, a->store, a->workspace, name, err) < 0)
        return -1;
    AUTO(json_unref) json_t *content = json_read_object(a->words[2], err);
    if (!content || store_begin(a->store, err) < 0) {
        free(old);
        return -1;
    }
    id_new(id);
    AUTO(mem_free) char *sealed = template_seal(&a->seal, old ? old->id : id, content);
    struct store_template t = {.id = id, .workspace = a->workspace, .name = name, .content = sealed, .created_us = now};
    if (old)
        t = *old;
    t.content = sealed;
    t.modified_us = now;
    if (a->signature)
        t.require_signature = !strcmp(a->signature, "1");
    int rc = admin_finish(a, (create ? store_template_add : store_template_put)(a->store, &t, err), err);
    if (rc == 0) {
        printf("%s\t%s\n", t.id, t.name);
        try_template(content);
    }
    free(old);
    return rc;
}

json_t *admin_template(struct admin *a, const char *name, struct err *err)
{
    struct store_template *t = NULL;

    if (store_template_get(&t, a->store, a->workspace, name, err) < 0)
        return NULL;
    json_t *content = template_open(&a->seal, t, err);
    free(t);
    return content;
}

static int template_print(struct admin *a, struct err *err)
{
    AUTO(json_unref) json_t *content = admin_template(a, a->words[1], err);

    if (!content)
        return -1;
    json_dumpf(content, stdout, JSON_INDENT(2));
    putchar('\n');
    return 0;
}

static int template_remove(struct admin *a, struct err *err)
{
    struct store_template *t = NULL;

    if (store_template_get(&t, a->store, a->workspace, a->words[1], err) < 0 || store_begin(a->store, err) < 0)
        return -1;
    int rc = admin_finish(a, store_template_del(a->store, a->workspace, t->id, err), err);
    free(t);
    return rc;
}

static int print_template(void *ctx, const struct store_template *t)
{
    char when[25];

    (void)ctx;
    date_format_iso(when, t->modified_us);
    printf("%s\t%s\t%s%s\n", t->id, t->name, when, t->require_signature ? "\tsigned requests only" : "");
    return 0;
}

static int template_create_one(struct admin *a, struct err *err) { return template_put(a, true, err); }
static int template_update_one(struct admin *a, struct err *err) { return template_put(a, false, err); }

static int template_list(struct admin *a, struct err *err)
{
    struct store_page all = {
        .workspace = a->workspace, .sort = "name", .from_us = INT64_MIN, .to_us = INT64_MAX, .max = -1};

    return store_templates(a->reader, &all, print_template, NULL, err);
}

int command_template(int argc, char **argv)
{
    static const struct verb verbs[] = {{"create", 2, 2, true, template_create_one},
                                        {"update", 2, 2, false, template_update_one},
                                        {"list", 0, 0, false, template_list},
                                        {"get", 1, 1, false, template_print},
                                        {"delete", 1, 1, false, template_remove},
                                        {0}};

    return admin_run("template", verbs, argc, argv);
}
