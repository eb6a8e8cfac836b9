/* fuzz.h - what the targets share. A target is one file fuzz_NAME.c with LLVMFuzzerTestOneInput(), and one line in
 * meson.build. It turns bytes into calls of one parser and checks with CHECK() what must hold of every answer: a
 * parser that merely does not crash can still be wrong.
 *
 * Linked with driver.c it replays files; with -Dfuzz=true libFuzzer takes the driver's place. */
#pragma once
#include "base/auto.h"
#include "base/json.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Unlike assert() it is never compiled out. */
#define CHECK(what) ((what) ? (void)0 : fuzz_failed(#what, __FILE__, __LINE__))
_Noreturn void fuzz_failed(const char *what, const char *file, int line);

/* An input that is eaten from the front. Past its end there are zeroes and empty texts. */
struct bytes {
    const uint8_t *p;
    size_t left;
};
unsigned take_byte(struct bytes *b);
unsigned take_below(struct bytes *b, unsigned n); /* 0..n-1; n up to 256 */
char *take_line(struct bytes *b);                 /* without its newline; the caller frees, as those below */
char *take_text(struct bytes *b, size_t len);     /* of at most that length */
char *take_rest(struct bytes *b);
json_t *take_json_line(struct bytes *b);          /* NULL: it is none; the caller unrefs */

/* The path of a file with these bytes. One file, the next call changes it; it is no file of the disk. */
const char *fuzz_file(const void *data, size_t len);
/* How many descriptors are open: the same before and after, or something was left behind. */
int fuzz_descriptors(void);
