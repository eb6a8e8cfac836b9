/* ssh.h - a login at an SSH server and its SFTP channel (libssh2), for sftp.c.
 *
 * Who logs in: the private key or the password of the stored credentials, else the server's own key
 * (setting sftp_key). Whom it talks to: with the setting sftp_known_hosts only hosts with a key in
 * that file; else a host with the key that the credentials name (host_key); else one that has the
 * key which it had when this workspace first talked to it (robot_host_key()). */
#pragma once
#include "transfer/sftp.h"

#include <libssh2.h>
#include <libssh2_sftp.h>

struct ssh;

/* Looks at the place; connects later, or goes on with the session that an earlier job of this worker left by
 * ssh_rest(): only for the same host, port, user, keys and passwords, under the same settings. Both are lent. */
MUST_CHECK int ssh_open(struct ssh **out, struct robot_job *job, const struct sftp_place *place,
                        struct err *err);
void ssh_close(struct ssh *s);
DEFINE_AUTO(struct ssh *, ssh_close)
/* In the place of ssh_close(), where all went well: a session without a fault is kept for the next job (place_keep()).
 * A worker serves one workspace alone, so it is never another's. */
void ssh_rest(struct ssh *s);
/* There is a channel: the one of before, or a new one. *again: another attempt may end otherwise.
 */
MUST_CHECK int ssh_connect(LIBSSH2_SFTP **out, struct ssh *s, bool *again, struct err *err);
/* It is of no more use. */
void ssh_drop(struct ssh *s);

/* rc = call, repeated while the other side is awaited, until nothing has come of it for too long:
 * rc stays LIBSSH2_ERROR_EAGAIN then. */
#define SSH_CALL(s, rc, call)                                                                      \
    do {                                                                                           \
        int64_t until_ = ssh_until(s);                                                             \
        while (((rc) = (call)) == LIBSSH2_ERROR_EAGAIN && ssh_wait(s, until_)) {                   \
        }                                                                                          \
    } while (0)
int64_t ssh_until(const struct ssh *s);
bool ssh_wait(struct ssh *s, int64_t until_us);
/* Of the last call that gave a NULL. */
int ssh_errno(const struct ssh *s);

/* rc says that the connection is broken or silent, and not that the server refused. */
bool ssh_is_broken(int rc);
/* It is about the key that we have, not about the other side. */
bool ssh_is_unread(int rc);
/* A refusal is something that the other side says: libssh2 gives the same code when a key is sent and no answer comes,
 * as when the server ends or the line is cut in that moment. */
bool ssh_is_unanswered(LIBSSH2_SESSION *session, int rc);
/* What libssh2 says of the last failure, in brackets where there is a word; text of out's size. */
void ssh_words(char *out, size_t size, struct ssh *s, int rc);
