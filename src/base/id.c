#include "base/id.h"
#include "base/str.h"

#include <sys/random.h>

void id_new(char out[static ID_LEN + 1])
{
    unsigned char raw[ID_LEN / 2];

    if (getrandom(raw, sizeof raw, 0) != sizeof raw)
        abort();
    hex_encode(out, raw, sizeof raw);
}

bool id_valid(const char *s) { return hex_is(s, ID_LEN); }
