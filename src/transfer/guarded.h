/* guarded.h - libcurl for protocols that are not HTTP: which address a socket is connected to is
 * decided after its name was resolved, for each socket, those for data among them. */
#pragma once
#include "transfer/remote.h"

#include <curl/curl.h>

struct guarded {
    struct robot_job *job;
    char refused[80]; /* address that the guard turned down; "" none */
};

/* It must live as long as connections that curl keeps. What every call has: the guard, no proxy, no
 * signals, and an end when nothing moves for idle_s seconds. */
void guarded_set(CURL *e, struct guarded *g);
/* Seconds without news until the other side counts as lost (setting idle_s: another number, for
 * tests). */
long guarded_idle_s(const struct robot_job *job);
#define GUARDED_CONNECT_S 10L
/* Says so, when an address was turned down. host: what was asked for. Returns -1. */
int guarded_refuse(const struct guarded *g, const char *host, struct err *err);

/* A connected TCP socket, which is curl's: it lives as long as *curl, which the caller gives to
 * curl_easy_cleanup(). text: what curl says of a failure. */
MUST_CHECK CURLcode guarded_connect(CURL **curl, curl_socket_t *sock, struct guarded *g,
                                    const char *host, int port, char text[static CURL_ERROR_SIZE]);
/* "[::1]" for an address with colons, else host itself. The caller frees. */
char *guarded_host(const char *host);
