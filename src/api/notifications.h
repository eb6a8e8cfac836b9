/* notifications.h - what a request may say of notifications. */
#pragma once
#include "base/err.h"
#include "base/json.h"

/* A value for notify_url, NULL: none given. Errors: ERR_NOTIFY_URL. */
MUST_CHECK int notify_url_check(const json_t *v, struct err *err);
