/* What a file is, by its bytes: a line with what the client called it, then its bytes. libmagic is not instrumented: it
 * is the names and our own marks that are explored. */
#include "fuzz.h"
#include "base/filetype.h"
#include "media/mime.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes b = {data, len};
    AUTO(mem_free) char *name = take_line(&b);
    char mime[MIME_LEN];
    struct err err;

    CHECK(mime_detect(mime, fuzz_file(b.p, b.left), *name ? name : NULL, &err) == 0);
    CHECK(strchr(mime, '/') && strlen(mime) < MIME_LEN && utf8_valid(mime, strlen(mime)));
    CHECK(b.left || !strcmp(mime, "inode/x-empty"));
    (void)filetype_kind(mime);
    (void)filetype_ext(mime);
    (void)filetype_name(mime);
    (void)filetype_by_ext(name);
    return 0;
}
