/* schema.h - schema/N.sql brings a database from version N - 1 to N. The array is generated, ends
 * in NULL and only ever grows: a file that was released is never edited. */
#pragma once

extern const char *const store_migrations[];
