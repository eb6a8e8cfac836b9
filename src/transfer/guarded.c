#include "transfer/guarded.h"
#include "http/guard.h"
#include "transfer/place.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define IDLE_S 30

/* The name is resolved: what is checked is what gets connected. */
static curl_socket_t guarded_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct guarded *g = ctx;

    (void)purpose;
    if (!guard_allows(&a->addr, jstr_or(robot_settings(g->job), "import_allow", ""))) {
        if (getnameinfo(&a->addr, a->addrlen, g->refused, sizeof g->refused, NULL, 0,
                        NI_NUMERICHOST))
            snprintf(g->refused, sizeof g->refused, "an unusual address");
        return CURL_SOCKET_BAD;
    }
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

long guarded_idle_s(const struct robot_job *job)
{
    return (long)jint(robot_settings(job), "idle_s", IDLE_S);
}

void guarded_set(CURL *e, struct guarded *g)
{
    long idle_s = guarded_idle_s(g->job);

    *g->refused = 0;
    curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, guarded_socket);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, g);
    /* until the login is done */
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT,
                     idle_s < GUARDED_CONNECT_S ? idle_s : GUARDED_CONNECT_S);
    curl_easy_setopt(e, CURLOPT_MAX_SEND_SPEED_LARGE, (curl_off_t)place_speed());
    curl_easy_setopt(e, CURLOPT_MAX_RECV_SPEED_LARGE, (curl_off_t)place_speed());
    curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME, idle_s);
}

int guarded_refuse(const struct guarded *g, const char *host, struct err *err)
{
    char refused[160], why[120];

    snprintf(refused, sizeof refused, "can't talk to '%.120s'", host);
    snprintf(why, sizeof why, "the address %.80s is private or reserved", g->refused);
    return remote_refused(g->job, err, refused, why);
}

char *guarded_host(const char *host)
{
    bool bare6 = strchr(host, ':') && *host != '[';

    return mem_printf("%s%s%s", bare6 ? "[" : "", host, bare6 ? "]" : "");
}

CURLcode guarded_connect(CURL **curl, curl_socket_t *sock, struct guarded *g, const char *host,
                         int port, char text[static CURL_ERROR_SIZE])
{
    AUTO(mem_free) char *name = guarded_host(host);
    AUTO(mem_free) char *url = mem_printf("http://%s:%d", name, port); /* nothing is said in HTTP */
    CURL *e = curl_easy_init();

    if (!e)
        abort(); /* fails only without memory */
    *text = 0;
    guarded_set(e, g);
    curl_easy_setopt(e, CURLOPT_URL, url);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(e, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, text);
    CURLcode rc = curl_easy_perform(e);
    if (rc == CURLE_OK)
        rc = curl_easy_getinfo(e, CURLINFO_ACTIVESOCKET, sock);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, NULL);
    if (rc == CURLE_OK)
        *curl = e;
    else
        curl_easy_cleanup(e);
    return rc;
}
