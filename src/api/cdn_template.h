/* cdn_template.h - a Template as requests by URL use it, looked up without the database when it was asked for before.
 * Thread-safe. */
#pragma once
#include "api/app.h"
#include "api/template_use.h"

struct cdn_template {
    int refs;                                  /* the rest never changes */
    char *workspace, *workspace_name, *key_id; /* key_id: a key of the workspace, for what needs one */
    struct template_use *use;
    bool signed_only;
    int64_t playlists_signed_s; /* 0: the addresses in its playlists are not signed */
    struct err err; /* why it answers no request; code 0: it does */
};
struct cdn_template *cdn_template_ref(struct cdn_template *t);
void cdn_template_unref(struct cdn_template *t);
DEFINE_AUTO(struct cdn_template *, cdn_template_unref)

struct cdn_templates;
struct cdn_templates *cdn_templates_new(void);
void cdn_templates_free(struct cdn_templates *all);
/* By names or ids. The caller unrefs. Errors: ERR_TEMPLATE_NOT_FOUND (also an unknown workspace), ERR_TEMPLATE_DB. */
MUST_CHECK int cdn_template_find(struct cdn_template **out, struct cdn_templates *all, struct app *app,
                                 const char *workspace, const char *name, struct err *err);
/* Templates or keys have changed: from now on all are read anew. */
void cdn_templates_forget(struct cdn_templates *all);

/* May these instructions answer a request? Errors: ERR_CDN_NO_STEP, ERR_INVALID_STEPS (too many),
 * ERR_DISALLOWED_ROBOTS. */
#define CDN_STEPS_MOST 20
MUST_CHECK int cdn_template_check(const json_t *content, struct err *err);
/* Does this step decide what is served? */
bool cdn_step_serves(const json_t *step);
