/* notifications.h - what the route table and the create request need of api/notifications.c. */
#pragma once
#include "api/call.h"

/* A value for notify_url, NULL: none given. Errors: ERR_NOTIFY_URL. */
MUST_CHECK int notify_url_check(const json_t *v, struct err *err);
int notification_wake(struct call *c, struct err *err);
int notification_replay(struct call *c, struct store *store, struct err *err);
int notifications_list(struct call *c, struct err *err);
