/* server.h - the whole server in one process, as `serve` and `run` start it. */
#pragma once
#include "api/app.h"

struct server;

/* Opens DIR (config.data), recovers what is in it, starts conductor and HTTP. Prints nothing. */
MUST_CHECK int server_start(struct server **out, const struct config *config, int log_level, struct err *err);
/* Refuse new work, wait for running work at most drain_timeout_s, end. */
void server_stop(struct server *s);
struct app *server_app(struct server *s);
const char *server_host(const struct server *s);
int server_port(const struct server *s);
/* The key that was made at the first start because none was given; NULL otherwise. */
const struct auth_key *server_new_key(const struct server *s);
