/* What a job is given: its inputs, and what is stored of credentials. */
#include "conductor/private.h"
#include "conductor/renewals.h"

#include <stdio.h>
#include <string.h>

json_t *given_inputs(const struct conductor *c, const struct assembly *a, const struct job *j, struct err *err)
{
    AUTO(json_unref) json_t *list = json_array();

    for (int i = 0; i < j->input_count; i++) {
        const struct file *f = j->inputs[i];
        json_t *each = NULL;

        if (assembly_input_params(&each, a, j, i, c->conf.region, err) < 0)
            return NULL;
        json_t *o = json_pack("{s:s,s:I,s:O,s:o*}", "id", f->id, "size", (json_int_t)f->size, "meta", f->meta,
                              "params", each);

        jset(o, "name", f->name);
        jset(o, "basename", f->basename);
        jset(o, "ext", f->ext);
        jset(o, "mime", f->mime);
        jset(o, "type", f->type);
        jset(o, "md5", f->md5);
        jset(o, "as", j->labels[i]);
        jset(o, "stub", f->is_stub ? f->url : NULL);
        jset(o, "step", a->in->steps[f->step].name);
        jset(o, "original_id", json_string_value(json_array_get(f->original_ids, 0)));
        jset(o, "original_basename", f->original_basename);
        jset(o, "original_path", f->original_path);
        json_array_append_new(list, o);
    }
    return take(list);
}

struct shared_text *given_status(const struct entry *e, const struct robot *robot)
{
    if (!(robot->flags & ROBOT_GETS_STATUS) || published_size(e->published) > ROBOT_STATUS_MAX)
        return NULL;
    return published_text(e->published, 200);
}

/* In the place of *content what the Robot can use: -1 while there is none. */
static int given_renewed(json_t **content, const char *type, struct given_owner *owner, struct err *err)
{
    AUTO(json_unref) json_t *stored = take(*content);
    const struct renewal_wish w = {owner->a->workspace, type, stored, owner->robot, owner->refused};

    owner->renewed = true;
    switch (renewals_ask(content, owner->c->renewals, &w, owner->renewing_us, err)) {
    case RENEWAL_READY:
        return 0;
    case RENEWAL_RUNS:
        owner->waits = true;
        return err_set(err, ERR_BUSY, "the stored credentials are being renewed");
    case RENEWAL_FAILED:
        break;
    }
    return -1;
}

int given_credentials(void *ctx, json_t **content, char type[static CREDENTIAL_TYPE_MAX],
                      const char *name, struct err *err)
{
    struct given_owner *owner = ctx;
    const struct seal_key *seal = owner->c->conf.seal;
    const char *workspace = owner->a->workspace;
    AUTO(mem_free) char *plain = NULL;
    struct store_credential *found = NULL;

    if (store_credential_get(&found, owner->c->conf.store, workspace, name, err) < 0)
        return err->code == ERR_NOT_FOUND
                   ? err_set(err, ERR_CREDENTIALS,
                             "There are no stored credentials named '%.100s'", name)
                   : -1;
    AUTO(mem_free) char *context = mem_printf("%s/%s", workspace, found->name);
    *content = unseal(&plain, seal, context, found->sealed, err) < 0 ? NULL : json_reads(plain);
    snprintf(type, CREDENTIAL_TYPE_MAX, "%s", found->type);
    free(found);
    if (!*content)
        return -1;
    return credential_renewer(type, *content) ? given_renewed(content, type, owner, err) : 0;
}
