/* ssh_key.h - the key pair with which this server logs in at SSH servers, where nobody has given it
 * another one (setting sftp_key): DATA/ssh_key, an ed25519 key in OpenSSH's form, mode 0600. */
#pragma once
#include "base/err.h"

/* The private half. Made when there is none: whole or not at all, and one, whoever else makes one
 * at the same moment. The caller frees *out. Errors: ERR_CONFIG: another user's, readable by
 * others, or none in there; ERR_IO. */
MUST_CHECK int ssh_key_load(char **out, const char *data, struct err *err);
/* The public half of a private key as a line of authorized_keys, without a line break. The caller
 * frees. Errors: ERR_CONFIG: it is not in OpenSSH's form. */
MUST_CHECK int ssh_key_public(char **out, const char *private_key, struct err *err);
