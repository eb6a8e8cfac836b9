/* What libssh2's numbers mean for us. */
#include "transfer/ssh.h"

bool ssh_is_broken(int rc)
{
    switch (rc) {
    case LIBSSH2_ERROR_EAGAIN:
    case LIBSSH2_ERROR_SOCKET_SEND:
    case LIBSSH2_ERROR_SOCKET_RECV:
    case LIBSSH2_ERROR_SOCKET_DISCONNECT:
    case LIBSSH2_ERROR_SOCKET_TIMEOUT:
    case LIBSSH2_ERROR_SOCKET_NONE:
    case LIBSSH2_ERROR_TIMEOUT:
    case LIBSSH2_ERROR_BAD_SOCKET:
    case LIBSSH2_ERROR_CHANNEL_CLOSED:
    case LIBSSH2_ERROR_CHANNEL_EOF_SENT:
    case LIBSSH2_ERROR_CHANNEL_FAILURE:
    case LIBSSH2_ERROR_BANNER_RECV:
    case LIBSSH2_ERROR_BANNER_SEND:
    case LIBSSH2_ERROR_KEX_FAILURE:
    case LIBSSH2_ERROR_KEY_EXCHANGE_FAILURE:
    case LIBSSH2_ERROR_INVALID_MAC:
    case LIBSSH2_ERROR_DECRYPT:
    case LIBSSH2_ERROR_ZLIB:
    case LIBSSH2_ERROR_PROTO:
        return true;
    default:
        return false;
    }
}

bool ssh_is_unread(int rc)
{
    return rc == LIBSSH2_ERROR_FILE || rc == LIBSSH2_ERROR_PROTO ||
           rc == LIBSSH2_ERROR_METHOD_NONE || rc == LIBSSH2_ERROR_KEYFILE_AUTH_FAILED;
}

bool ssh_is_unanswered(LIBSSH2_SESSION *session, int rc)
{
    char *said = NULL;

    return rc == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED && libssh2_session_last_error(session, &said, NULL, 0) && said &&
           str_starts(said, "Waiting for");
}
