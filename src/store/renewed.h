/* renewed.h - tokens of stored credentials whose refresh token works once (Box): what the last renewal gave, each in a
 * file DATA/renewed/ID of its own, sealed with the server's key, and durable before anybody uses it.
 *
 * The credentials themselves stay as their user stored them: they are where the chain of tokens begins. ID is made of
 * that beginning, so who stores another refresh token begins another chain, whatever was under way for the old one;
 * and whoever has the credentials, a server, a command or what a killed server has left behind, finds the same file
 * and the same lock. */
#pragma once
#include "base/json.h"
#include "base/secret.h"
#include "store/store.h"

#define RENEWED_ID_LEN 64
/* Content without client_id or refresh_token has none: "". */
void renewed_id(char id[static RENEWED_ID_LEN + 1], const char *workspace, const json_t *content);

struct renewed {
    char *refresh_token;   /* the next that works */
    char *access_token;    /* NULL: there is none */
    int64_t renew_at_us;   /* from then on a new one is asked for */
    int64_t until_us;      /* its end */
    char *refused;         /* why no more will come; NULL: they may */
    char *refused_of;      /* the client_secret that was refused: another may do */
};
void renewed_done(struct renewed r);
DEFINE_AUTO(struct renewed, renewed_done)

/* 1: read. 0: nothing was renewed yet. -1: it is there and can't be read. dir: DATA/renewed, here and below. */
MUST_CHECK int renewed_read(struct renewed *out, const char *dir, const struct seal_key *k, const char *id,
                            struct err *err);
/* Only with the lock of id. First room is taken on the disk, so that what can't be asked for twice finds it. */
MUST_CHECK int renewed_begin(const char *dir, const char *id, struct err *err);
/* Durable when it returns. */
MUST_CHECK int renewed_write(const char *dir, const struct seal_key *k, const char *id, const struct renewed *r,
                             struct err *err);

/* One at a time has the lock of id, in whatever process; id NULL: those of all. It is given back by closing *fd, and by
 * the end of the process. Waits at most wait_us. Errors: ERR_BUSY. */
MUST_CHECK int renewed_lock(int *fd, const char *dir, const char *id, int64_t wait_us, struct err *err);

/* A change of the server's key: all is written again beside what there is, before the rows are committed... */
MUST_CHECK int renewed_reseal(const char *dir, const struct seal_key *old, const struct seal_key *next,
                              struct err *err);
/* ...and takes its place after; at each start: of a change that was cut short, what the key opens stays. */
void renewed_settle(const char *dir, const struct seal_key *k);
/* Files of credentials that are no more go. On the thread of the writer. */
MUST_CHECK int renewed_sweep(const char *dir, struct store *s, const struct seal_key *k, struct err *err);
