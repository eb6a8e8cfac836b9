#include "base/id.h"
#include "base/clock.h"
#include "base/str.h"

#include <sys/random.h>

void id_new(char out[static ID_LEN + 1])
{
    unsigned char raw[ID_LEN / 2];

    if (getrandom(raw, sizeof raw, 0) != sizeof raw)
        abort();
    hex_encode(out, raw, sizeof raw);
}

void id_new_ordered(char out[static ID_LEN + 1])
{
    uint64_t ms = (uint64_t)(clock_now_us() / 1000);
    unsigned char time[6];

    id_new(out);
    for (int i = 0; i < 6; i++)
        time[i] = (unsigned char)(ms >> (40 - 8 * i));
    char rest = out[12];
    hex_encode(out, time, sizeof time);
    out[12] = rest; /* hex_encode() ends its text */
}

bool id_valid(const char *s) { return hex_is(s, ID_LEN); }
