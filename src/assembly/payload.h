/* payload.h - the text of a notification: the final status, trimmed as notification_payload asks
 * (api-notifications.md 1). Pure. */
#pragma once
#include "base/err.h"
#include "base/json.h"

/* status: a whole Assembly Status; its merged_params say what to leave out, and notify_* are as they were before
 * the first attempt. The caller frees. A text that is not JSON comes back as it is. */
char *payload_text(const char *status);
/* Is this a value for notification_payload (NULL: none given)? Errors: ERR_ROBOT_VALIDATION. */
MUST_CHECK int payload_check(const json_t *v, struct err *err);
