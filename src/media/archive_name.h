/* archive_name.h - names inside archives: what others wrote becomes text, and a path that leads nowhere but down.
 * Paths are never names of files here; whoever unpacks what we packed, or puts files where a path says, relies on
 * them. */
#pragma once
#include "base/auto.h"

#include <stdbool.h>
#include <stddef.h>

#define ARCHIVE_PATH_MAX 4096 /* bytes */

/* A name of any character set as UTF-8: valid UTF-8 is that; what can well be Shift_JIS is that, anything else CP437,
 * the character set of ZIP, which has a character for every byte. The caller frees. */
char *archive_name_text(const char *raw, size_t len);

enum archive_path { ARCHIVE_PATH_GOOD, ARCHIVE_PATH_ABSOLUTE, ARCHIVE_PATH_UP, ARCHIVE_PATH_LONG };

/* A relative path of names that str_file_name() would make, '/' between them, into *out (the caller frees), and how
 * many names it has. Backslashes separate, too; "." goes. A path of nothing is "unnamed". Not GOOD: *out is NULL. */
enum archive_path archive_path_clean(char **out, int *depth, const char *path);
/* Where would a link at path (clean) that says target lead? False: out of the archive. */
bool archive_link_stays(const char *path, const char *target);

/* Names for a new archive: no two are the same, and none is the directory of another. */
struct archive_names;
struct archive_names *archive_names_new(void);
void archive_names_free(struct archive_names *n);
DEFINE_AUTO(struct archive_names *, archive_names_free)
/* Directories of path (clean) may be no file. Before the first archive_names_pick(). */
void archive_names_expect(struct archive_names *n, const char *path);
/* path, or "a_1.jpg" of "a.jpg" and so on when it is taken. The caller frees. */
char *archive_names_pick(struct archive_names *n, const char *path);
