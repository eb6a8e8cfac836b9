/* ssh_rsa.h - logins by RSA keys with SHA-2 (RFC 8332). libssh2 before 1.11 signs with SHA-1 alone, which OpenSSH
 * refuses since 8.8; it takes our signature, but names the algorithm as the key itself does. So the key is sent
 * under the algorithm's name, which OpenSSH reads. For ssh.c, after libssh2's own way was refused. */
#pragma once
#include <libssh2.h>
#include <stdbool.h>

struct ssh_rsa;
/* A key in PEM (PKCS #1 or #8, with or without passphrase) or in OpenSSH's own form without one. NULL: it is none of
 * RSA that can be read. The caller frees. */
struct ssh_rsa *ssh_rsa_read(const char *text, const char *passphrase);
void ssh_rsa_free(struct ssh_rsa *k); /* NULL is fine */
/* One of RSA in OpenSSH's own form that is locked by a passphrase: OpenSSL has not what opens it. */
bool ssh_rsa_is_locked(const char *text);
/* As libssh2_userauth_publickey(): LIBSSH2_ERROR_EAGAIN to be called again. */
int ssh_rsa_log_in(struct ssh_rsa *k, LIBSSH2_SESSION *session, const char *user);
