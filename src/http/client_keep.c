#include "http/client_priv.h"
#include "http/manners.h"

#include <pthread.h>
#include <string.h>
#include <strings.h>

/* The client of the job before, with its connection: only where http_manners.keep allows that, in processes that do one
 * job at a time on one thread. NULL: none. */
static struct http_client *kept_client;

static void client_global_init(void) { curl_global_init(CURL_GLOBAL_DEFAULT); }

struct http_client *http_client_new(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct http_client *c = kept_client;

    if (c) {
        kept_client = NULL;
        http_manners.taken();
        c->rested = true;
        return c;
    }
    c = mem_zalloc(sizeof *c);
    pthread_once(&once, client_global_init);
    if (!(c->curl = curl_easy_init()))
        abort(); /* fails only without memory */
    return c;
}

static void client_close(struct http_client *c)
{
    curl_easy_cleanup(c->curl);
    free(c->guard);
    free(c->host);
    free(c);
}

static void client_drop(void) { client_close(take(kept_client)); }

void http_client_free(struct http_client *c)
{
    if (!c)
        return;
    curl_easy_reset(c->curl); /* what its options point to is gone */
    if (c->host && !c->several && !kept_client && http_manners.keep &&
        http_manners.keep(c->host, c->port, client_drop))
        kept_client = c;
    else
        client_close(c);
}

static void curl_anew(struct http_client *c)
{
    curl_easy_cleanup(c->curl);
    if (!(c->curl = curl_easy_init()))
        abort();
}

void client_use_guard(struct http_client *c, const char *guard)
{
    if ((!guard && !c->guard) || (guard && c->guard && !strcmp(guard, c->guard)))
        return;
    curl_anew(c);
    free(c->guard);
    c->guard = guard ? mem_strdup(guard) : NULL;
}

void client_use_host(struct http_client *c, const char *url)
{
    AUTO(mem_free) char *host = NULL;
    int port = 0;
    bool same = manners_where(&host, &port, url) && c->host && !strcasecmp(host, c->host) && port == c->port;

    if (c->host && !same) {
        if (c->rested)
            curl_anew(c);
        else
            c->several = true;
    }
    c->rested = false;
    free(c->host);
    c->host = take(host);
    c->port = port;
}
