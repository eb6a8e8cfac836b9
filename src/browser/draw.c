/* A page from beginning to end. */
#include "browser/private.h"
#include "http/address.h"
#include "http/naming.h"

#include <stdio.h>

#define IDLE_US (SECOND_US / 2) /* without a request, and a page counts as idle */
#define ERRAND_S 30             /* for one answer */

/* ---- failures ---- */

/* Of a page that can't be had the browser knows a code only, and we why. */
static int draw_refused(struct drawing *d, const char *code, struct err *err)
{
    const struct err *why = &d->page_err;

    if (why->code)
        err_set(err, ERR_COMMAND, "the page '%.150s' can't be had: %.250s", d->page_url, why->msg);
    else
        err_set(err, ERR_COMMAND, "the page '%.150s' can't be drawn: %.100s", d->page_url, code);
    snprintf(err->browser_code, sizeof err->browser_code, "%s", code);
    err->is_private_address = why->is_private_address;
    return -1;
}

static void draw_say_where(struct drawing *d, struct err *err)
{
    AUTO(mem_free) char *host = address_host(d->page_url);

    if (err->code == ERR_TIMEOUT)
        snprintf(err->browser_code, sizeof err->browser_code, "TimeoutError");
    snprintf(err->url, sizeof err->url, "%s", d->page_url);
    snprintf(err->url_host, sizeof err->url_host, "%s", host ? host : "");
}

/* ---- the way ---- */

/* A target of its own, whose requests, frames and workers are ours before anything is in it. */
static int draw_attach(struct drawing *d, struct err *err)
{
    const struct page_wish *w = d->wish;
    json_t *result = NULL;

    if (drawing_call(&result, d, NULL, "Target.createTarget",
                     json_pack("{s:s,s:i,s:i}", "url", "about:blank", "width", w->width, "height", w->height), err) < 0)
        return -1;
    snprintf(d->target, sizeof d->target, "%s", jstr_or(result, "targetId", ""));
    json_decref(result);
    result = NULL;
    if (drawing_call(&result, d, NULL, "Target.setAutoAttach",
                     json_pack("{s:b,s:b,s:b}", "autoAttach", 1, "waitForDebuggerOnStart", 1, "flatten", 1), err) < 0)
        return -1;
    json_decref(result);
    while (!*d->session)
        if (drawing_turn(d, INT64_MAX, err) < 0)
            return -1;
    return 0;
}

static int draw_prepare(struct drawing *d, struct err *err)
{
    const struct page_wish *w = d->wish;
    json_t *result = NULL;

    cdp_send(&d->b->cdp, NULL, "Browser.setDownloadBehavior", json_pack("{s:s}", "behavior", "deny"));
    if (drawing_do(d, "Page.enable", NULL, err) < 0 ||
        drawing_do(d, "Fetch.enable", json_pack("{s:[{s:s}]}", "patterns", "urlPattern", "*"), err) < 0 ||
        drawing_call(&result, d, d->session, "Target.setAutoAttach",
                     json_pack("{s:b,s:b,s:b}", "autoAttach", 1, "waitForDebuggerOnStart", 1, "flatten", 1), err) < 0)
        return -1;
    json_decref(result);
    if (drawing_do(d, "Emulation.setDeviceMetricsOverride",
                   json_pack("{s:i,s:i,s:i,s:b}", "width", w->width, "height", w->height, "deviceScaleFactor", 1,
                             "mobile", 0),
                   err) < 0)
        return -1;
    if (w->see_through && w->form == PAGE_PNG &&
        drawing_do(d, "Emulation.setDefaultBackgroundColorOverride",
                   json_pack("{s:{s:i,s:i,s:i,s:i}}", "color", "r", 0, "g", 0, "b", 0, "a", 0), err) < 0)
        return -1;
    /* nobody stands at the printer; a window that opens all the same is closed (events.c) */
    if (drawing_do(d, "Page.addScriptToEvaluateOnNewDocument",
                   json_pack("{s:s}", "source", "window.print = () => {}; window.open = () => null"), err) < 0 ||
        drawing_do(d, "Page.setLifecycleEventsEnabled", json_pack("{s:b}", "enabled", 1), err) < 0)
        return -1;
    return drawing_do(d, "Runtime.runIfWaitingForDebugger", NULL, err);
}

static int draw_go(struct drawing *d, struct err *err)
{
    AUTO(json_unref) json_t *result = NULL;

    d->seen = 0;
    if (drawing_call(&result, d, d->session, "Page.navigate",
                     json_pack("{s:s}", "url", d->wish->html ? INPUT_URL : d->wish->url), err) < 0)
        return -1;
    if (str_given(jstr(result, "errorText")))
        return draw_refused(d, jstr(result, "errorText"), err);
    d->seen |= 1u << PAGE_COMMIT; /* which is what the answer means */
    return 0;
}

/* 0: it has not come yet, and nobody knows when. */
static int64_t draw_moment_us(const struct drawing *d)
{
    enum page_moment until = d->wish->until;

    if (until != PAGE_IDLE)
        return d->seen & 1u << until ? 1 : 0;
    return d->seen & 1u << PAGE_LOADED && !d->in_flight ? d->quiet_us + IDLE_US : 0;
}

static int draw_wait(struct drawing *d, struct err *err)
{
    for (int64_t at; !(at = draw_moment_us(d)) || at > clock_mono_us();)
        if (drawing_turn(d, at ? at : INT64_MAX, err) < 0)
            return -1;
    for (int64_t until = clock_mono_us() + d->wish->delay_ms * 1000; clock_mono_us() < until;)
        if (drawing_turn(d, until, err) < 0)
            return -1;
    return 0;
}

int browser_draw(struct browser *b, const struct page_wish *wish, const char *path, struct err *err)
{
    AUTO(mem_free) char *origin = address_origin(wish->html ? INPUT_URL : wish->url);
    AUTO(mem_free) char *shown = naming_public_url(wish->html ? INPUT_URL : wish->url);
    AUTO(errands_close) struct errands *errands = NULL;
    struct drawing d = {.b = b, .wish = wish, .origin = origin ? origin : ""};
    int rc;

    b->deadline_us = wish->deadline_us;
    snprintf(d.page_url, sizeof d.page_url, "%s", shown ? shown : "");
    if (errands_open(&errands, &(struct errand_rules){wish->guard, PAGE_ANSWER_MAX, ERRAND_S}, err) < 0)
        return -1;
    d.errands = errands;
    rc = draw_attach(&d, err) < 0 || draw_prepare(&d, err) < 0 || draw_go(&d, err) < 0 || draw_wait(&d, err) < 0 ||
                 capture_page(&d, path, err) < 0
             ? -1
             : 0;
    json_decref(d.result);
    if (rc < 0)
        draw_say_where(&d, err);
    return rc;
}
