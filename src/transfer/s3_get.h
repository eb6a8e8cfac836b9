/* s3_get.h - an object, or ranges of it, into a file. In workcell-transfer only. */
#pragma once
#include "transfer/s3.h"
#include "transfer/values.h"

/* With attempts: what breaks off goes on where it was, as long as the object is the same. Several
 * ranges are written at their own offsets. range_count 0: the whole object, whose checksums are
 * looked at. */
MUST_CHECK int s3_get(struct s3_bucket *b, struct remote_import_file *f, const char *key,
                      const struct value_range *ranges, int range_count, struct err *err);
