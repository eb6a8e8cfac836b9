/* data_dir.h - the data directory must be nobody's but ours: what a server of root's empties, opens and serves below it
 * must not be another local user's choice. */
#pragma once
#include "base/err.h"

/* Make dir when it is not there, and look at it, at the links that lead there, and at blobs/, uploads/, scratch/ and
 * renewed/ in it. Errors: ERR_CONFIG: another user's, behind another user's link, or writable by everybody; ERR_IO. */
MUST_CHECK int data_dir_open(const char *dir, struct err *err);
