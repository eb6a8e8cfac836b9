#include "api/cdn_template.h"
#include "api/cdn_playlist.h"
#include "api/keys.h"
#include "base/map.h"
#include "config.h"
#include "robot/robot.h"

#include <pthread.h>
#include <string.h>

#define TEMPLATES_MOST 1000 /* in memory */

/* The contract lets all others answer a request. */
static const char *const disallowed[] = {"/edgly/deliver",     "/file/compress", "/file/hash",     "/file/virusscan",
                                         "/progress/simulate", "/tlcdn/deliver", "/upload/handle", "/video/adaptive",
                                         "/video/concat",      "/video/encode",  "/video/merge",   "/video/split",
                                         "/video/subtitle",    "/video/thumbs"};

struct cdn_templates {
    pthread_mutex_t lock;
    struct map by_name; /* "workspace/template" as they were asked for: struct cdn_template */
    int64_t changes;    /* one that was read before a change must not be put in after it */
};

struct cdn_template *cdn_template_ref(struct cdn_template *t)
{
    __atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED);
    return t;
}

void cdn_template_unref(struct cdn_template *t)
{
    if (!t || __atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL))
        return;
    free(t->workspace);
    free(t->workspace_name);
    free(t->key_id);
    template_use_free(t->use);
    free(t);
}

struct cdn_templates *cdn_templates_new(void)
{
    struct cdn_templates *all = mem_zalloc(sizeof *all);

    pthread_mutex_init(&all->lock, NULL);
    return all;
}

static void forget(struct cdn_templates *all) /* under the lock */
{
    for (struct map_iter i = {0}; map_next(&all->by_name, &i);)
        cdn_template_unref(i.value);
    map_done(&all->by_name);
    all->by_name = (struct map){0};
}

void cdn_templates_free(struct cdn_templates *all)
{
    if (!all)
        return;
    forget(all);
    pthread_mutex_destroy(&all->lock);
    free(all);
}

void cdn_templates_forget(struct cdn_templates *all)
{
    pthread_mutex_lock(&all->lock);
    all->changes++;
    forget(all);
    pthread_mutex_unlock(&all->lock);
}

bool cdn_step_serves(const json_t *step)
{
    const char *name = jstr(step, "robot");
    const struct robot *r = name ? robot_find(name) : NULL;

    return r && r->flags & ROBOT_SERVES;
}

int cdn_template_check(const json_t *content, struct err *err)
{
    const json_t *steps = json_object_get(content, "steps");
    bool serves = false;
    const char *name;
    json_t *step;

    if (json_object_size(steps) > CDN_STEPS_MOST)
        return err_set(err, ERR_INVALID_STEPS, "The Template has %zu steps; %d may answer a request by URL",
                       json_object_size(steps), CDN_STEPS_MOST);
    json_object_foreach ((json_t *)steps, name, step) {
        const char *robot = jstr_or(step, "robot", "");

        for (size_t i = 0; i < ARRAY_LEN(disallowed); i++)
            if (!strcmp(robot, disallowed[i]))
                return err_set(err, ERR_DISALLOWED_ROBOTS,
                               "The step '%.100s' uses %s, which may not answer a request by URL", name, robot);
        serves |= cdn_step_serves(step);
    }
    return serves ? 0 : err_set(err, ERR_CDN_NO_STEP, "The Template has no step that uses /file/serve");
}

static int template_read(struct cdn_template **out, struct app *app, const char *workspace, const char *name,
                         struct err *err)
{
    bool signed_only;
    AUTO(auth_key_unref) struct auth_key *key = keys_of_workspace(app->keys, workspace, &signed_only);
    struct template_use *use;

    if (!key)
        return err_set(err, ERR_TEMPLATE_NOT_FOUND, "There is no workspace '%.100s'", workspace);
    if (template_load(&use, app, key->workspace, name, err) < 0)
        return -1;
    struct cdn_template *t = mem_zalloc(sizeof *t);
    *t = (struct cdn_template){.refs = 1,
                               .workspace = mem_strdup(key->workspace),
                               .workspace_name = mem_strdup(key->workspace_name),
                               .key_id = mem_strdup(key->id),
                               .use = use,
                               .signed_only = signed_only || use->require_signature || app->config->require_signature};
    t->playlists_signed_s = cdn_playlist_signed_s(use->content);
    (void)!cdn_template_check(use->content, &t->err);
    *out = t;
    return 0;
}

int cdn_template_find(struct cdn_template **out, struct cdn_templates *all, struct app *app, const char *workspace,
                      const char *name, struct err *err)
{
    AUTO(str_done) struct str by = {0};
    const char *asked;

    str_puts(&by, workspace);
    str_putc(&by, '/');
    str_puts(&by, name);
    asked = by.s;
    pthread_mutex_lock(&all->lock);
    struct cdn_template *t = map_get(&all->by_name, asked);
    if (t)
        *out = cdn_template_ref(t);
    int64_t changes = all->changes;
    pthread_mutex_unlock(&all->lock);
    if (t)
        return 0;
    if (template_read(&t, app, workspace, name, err) < 0)
        return -1;
    pthread_mutex_lock(&all->lock);
    if (all->by_name.count >= TEMPLATES_MOST)
        forget(all);
    if (all->changes == changes)
        cdn_template_unref(map_put(&all->by_name, asked, cdn_template_ref(t)));
    pthread_mutex_unlock(&all->lock);
    *out = t;
    return 0;
}
