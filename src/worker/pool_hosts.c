/* What workers ask and get an answer to: keys of SSH hosts, other access tokens. */
#include "worker/pool_priv.h"

#include <string.h>
#include <strings.h>

/* Is that the host which the job's parameters name? A worker that was taken over by one host says
 * nothing of another. */
static bool names_host(const struct pool_run *run, const char *host)
{
    const char *named = jstr_or(json_object_get(run->message, "params"), "host", "");
    size_t n = strlen(named);

    if (*named == '[' && n > 2 && named[n - 1] == ']') {
        named++;
        n -= 2;
    }
    if (!n || strlen(host) != n || strncasecmp(named, host, n) != 0)
        return false;
    for (const char *p = host; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            return false;
    return true;
}

bool pool_hear_host(struct pool_run *run, const json_t *body)
{
    const struct pool_events *ev = &run->pool->events;
    const char *host = jstr_or(body, "host", "");

    if (!names_host(run, host))
        return false;
    ev->host(ev->ctx, run->owner, run, host, (int)jint(body, "port", 0), jstr_or(body, "key", ""));
    return true;
}

void pool_host_is(struct pool_run *run, const char *key)
{
    struct err err;

    run->said.host_open = false;
    if (run->worker->state == WORKER_BUSY &&
        wire_send(run->worker->sock, MSG_HOST_IS, json_pack("{s:s?}", "key", key), -1, &err) < 0)
        worker_kill(run->worker);
}

void pool_token_is(struct pool_run *run, const char *token, const char *why)
{
    struct err err;

    run->said.token_open = false;
    if (run->worker->state == WORKER_BUSY &&
        wire_send(run->worker->sock, MSG_TOKEN_IS, json_pack("{s:s?,s:o}", "token", token, "why", jstring(why)), -1,
                  &err) < 0)
        worker_kill(run->worker);
}
