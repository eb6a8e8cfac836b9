/* What the browser tells while a page is drawn. */
#include "browser/private.h"

#include <stdio.h>

static json_t *attach_params(void)
{
    return json_pack("{s:b,s:b,s:b}", "autoAttach", 1, "waitForDebuggerOnStart", 1, "flatten", 1);
}

/* A frame of another site or a worker: its requests come to us as well, before it begins. */
static void event_adopt(struct drawing *d, const char *session)
{
    struct cdp *c = &d->b->cdp;

    cdp_send(c, session, "Fetch.enable", json_pack("{s:[{s:s}]}", "patterns", "urlPattern", "*"));
    cdp_send(c, session, "Target.setAutoAttach", attach_params());
    cdp_send(c, session, "Runtime.runIfWaitingForDebugger", NULL);
}

/* Windows that a page opens are closed before they have begun: nobody would look at them. */
static void event_attached(struct drawing *d, const json_t *p)
{
    const json_t *info = json_object_get(p, "targetInfo");
    const char *session = jstr_or(p, "sessionId", ""), *target = jstr_or(info, "targetId", "");
    const char *type = jstr_or(info, "type", "");

    if (!*session || strlen(session) >= NAME_MAX_)
        return;
    if (!strcmp(target, d->target)) {
        if (!*d->session)
            snprintf(d->session, sizeof d->session, "%s", session);
    } else if (!strcmp(type, "page")) {
        cdp_send(&d->b->cdp, NULL, "Target.closeTarget", json_pack("{s:s}", "targetId", target));
        cdp_send(&d->b->cdp, session, "Runtime.runIfWaitingForDebugger", NULL); /* the page waits with it */
    } else if (d->sessions++ < SESSIONS_MAX) { /* others wait for ever, without a request */
        event_adopt(d, session);
    }
}

static void event_lifecycle(struct drawing *d, const json_t *p)
{
    static const struct {
        const char *name;
        enum page_moment moment;
    } moments[] = {{"DOMContentLoaded", PAGE_PARSED}, {"load", PAGE_LOADED}};
    const char *name = jstr_or(p, "name", ""), *loader = jstr_or(p, "loaderId", "");

    if (strcmp(jstr_or(p, "frameId", ""), d->target) != 0)
        return;
    if (strcmp(loader, d->loader) != 0) { /* another document is there */
        snprintf(d->loader, sizeof d->loader, "%s", loader);
        d->seen = 1u << PAGE_COMMIT;
    }
    for (size_t i = 0; i < ARRAY_LEN(moments); i++)
        if (!strcmp(name, moments[i].name)) {
            d->seen |= 1u << moments[i].moment;
            d->quiet_us = clock_mono_us();
        }
}

/* A page that wants to go on while it loads, to what turns out to be no page, has no `load` any more: it has what it
 * has. */
static void event_stopped(struct drawing *d, const json_t *p)
{
    if (strcmp(jstr_or(p, "frameId", ""), d->target) != 0 || !(d->seen & 1u << PAGE_COMMIT))
        return;
    d->seen |= 1u << PAGE_PARSED | 1u << PAGE_LOADED;
    d->quiet_us = clock_mono_us();
}

/* Nobody answers what a page asks; that it may be left is granted. */
static void event_dialog(struct drawing *d, const char *session, const json_t *p)
{
    bool leaves = !strcmp(jstr_or(p, "type", ""), "beforeunload");

    cdp_send(&d->b->cdp, session, "Page.handleJavaScriptDialog", json_pack("{s:b}", "accept", leaves));
}

static void event_answer(struct drawing *d, const json_t *m)
{
    const json_t *error = json_object_get(m, "error");

    if (!d->waits_for || d->answered || jint(m, "id", 0) != d->waits_for)
        return; /* of a command whose answer nobody needs */
    d->answered = true;
    d->result = json_incref(json_object_get(m, "result"));
    snprintf(d->refusal, sizeof d->refusal, "%s",
             json_is_object(d->result) ? "" : jstr_or(error, "message", "without a reason"));
}

int event_hear(void *ctx, const json_t *m, struct err *err)
{
    struct drawing *d = ctx;
    const char *method = jstr_or(m, "method", ""), *session = jstr_or(m, "sessionId", "");
    const json_t *p = json_object_get(m, "params");

    if (!*method)
        event_answer(d, m);
    else if (!d->errands) /* before a page and behind it nothing is heard */
        return 0;
    else if (!strcmp(method, "Fetch.requestPaused"))
        return answer_request(d, session, p, err);
    else if (!strcmp(method, "Target.attachedToTarget"))
        event_attached(d, p);
    else if (!strcmp(method, "Page.lifecycleEvent") && !strcmp(session, d->session))
        event_lifecycle(d, p);
    else if (!strcmp(method, "Page.frameStoppedLoading") && !strcmp(session, d->session))
        event_stopped(d, p);
    else if (!strcmp(method, "Page.javascriptDialogOpening"))
        event_dialog(d, session, p);
    else if ((!strcmp(method, "Inspector.targetCrashed") && !strcmp(session, d->session)) ||
             (!strcmp(method, "Target.targetCrashed") && !strcmp(jstr_or(p, "targetId", ""), d->target)))
        return err_set(err, ERR_COMMAND, "the page broke down in the browser: it wants more memory than there is, or "
                                         "the browser has a fault");
    else if (!strcmp(method, "Target.detachedFromTarget") && *d->session &&
             !strcmp(jstr_or(p, "sessionId", ""), d->session))
        return err_set(err, ERR_COMMAND, "the page closed itself before it was drawn");
    return 0;
}

/* ---- the loop ---- */

int drawing_turn(struct drawing *d, int64_t until_us, struct err *err)
{
    int64_t now = clock_mono_us();

    if (now >= d->b->deadline_us)
        return err_set(err, ERR_TIMEOUT, "the page was not ready in time");
    if (until_us > d->b->deadline_us)
        until_us = d->b->deadline_us;
    int64_t wait_ms = until_us > now ? (until_us - now) / 1000 + 1 : 0;
    if (cdp_turn(&d->b->cdp, d->errands ? errands_fd(d->errands) : -1, (int)(wait_ms < 1000 ? wait_ms : 1000),
                 event_hear, d, err) < 0)
        return -1;
    return d->errands ? answer_done(d, err) : 0;
}

int drawing_call(json_t **result, struct drawing *d, const char *session, const char *method, json_t *params,
                 struct err *err)
{
    int rc = 0;

    d->answered = false;
    d->waits_for = cdp_send(&d->b->cdp, session, method, params);
    while (rc == 0 && !d->answered)
        rc = drawing_turn(d, INT64_MAX, err);
    d->waits_for = 0;
    AUTO(json_unref) json_t *got = take(d->result);
    if (rc < 0)
        return -1;
    if (*d->refusal)
        return err_set(err, ERR_COMMAND, "the browser refuses %s: %s", method, d->refusal);
    *result = take(got);
    return 0;
}

int drawing_do(struct drawing *d, const char *method, json_t *params, struct err *err)
{
    json_t *result = NULL;
    int rc = drawing_call(&result, d, d->session, method, params, err);

    json_decref(result);
    return rc;
}
