/* server.h - the whole server in one process, as `serve` and `run` start it. */
#pragma once
#include "base/err.h"

#include <stdint.h>

struct app;
struct auth_key;
struct config;
struct server;

/* Opens DIR (config.data), recovers what is in it, starts conductor and HTTP. Prints nothing. */
MUST_CHECK int server_start(struct server **out, const struct config *config, int log_level, struct err *err);
/* The first half of server_stop(): no new work, running work ended or left for the next start, all committed. */
void server_drain(struct server *s);
/* Refuse new work, wait for running work at most drain_timeout_s, end. */
void server_stop(struct server *s);
/* One process a data directory: a second server would recover the first one's live Assemblies. Makes the directory.
 * The lock ends with the descriptor. Errors: ERR_CONFIG (another has it). */
MUST_CHECK int server_lock_dir(int *lock_fd, const char *dir, struct err *err);
/* Open files that the settings may lead to. */
int64_t server_files_needed(const struct config *config);
struct app *server_app(struct server *s);
const char *server_host(const struct server *s);
int server_port(const struct server *s);
const char *server_data(const struct server *s); /* its data directory, absolute */
enum key_origin { KEY_STORED, KEY_GIVEN, KEY_CHANGED, KEY_MADE };
/* Where the first Auth Key is from; CHANGED: given, and known before with another secret. */
enum key_origin server_key_origin(const struct server *s);
/* Is there, at the start, an Auth Key whose requests need no signature? */
bool server_takes_unsigned(const struct server *s);
/* The key that was made at the first start because none was given; NULL otherwise. */
const struct auth_key *server_new_key(const struct server *s);
/* Where workcell-media and workcell-transfer lie; out holds PATH_MAX. Errors: ERR_CONFIG. */
MUST_CHECK int server_program_dir(char *out, size_t size, struct err *err);
