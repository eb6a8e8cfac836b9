/* conn.h - the list of connections, and who walks it. */
#pragma once
#include "http/server_priv.h"

#include <linux/tcp.h> /* not netinet/tcp.h: its struct tcp_info is too old */

/* ---- conn.c ---- */
/* MHD_OPTION_NOTIFY_CONNECTION, its argument a struct entrance. */
void conn_notify(void *entrance, struct MHD_Connection *mhd, void **slot, enum MHD_ConnectionNotificationCode what);
bool conn_kernel_view(struct tcp_info *info, const struct conn *c);

/* ---- sweep.c ---- */
MUST_CHECK int sweeper_start(struct http_server *s, struct err *err);
void sweeper_stop(struct http_server *s); /* when there is one */
/* libmicrohttpd does not stop while a connection is suspended. Once `stopping` is set nobody suspends again, so one
 * walk is enough. */
void sweeper_wake_all(struct http_server *s);
