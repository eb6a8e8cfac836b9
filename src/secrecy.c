#include "secrecy.h"

#include <sys/prctl.h>
#include <sys/resource.h>

/* The limit alone would not do: a core that is piped to a program is not under it. */
static void allow(bool dump, bool for_good)
{
    struct rlimit core;

    prctl(PR_SET_DUMPABLE, dump, 0, 0, 0);
    if (getrlimit(RLIMIT_CORE, &core) < 0)
        return;
    core.rlim_cur = dump ? core.rlim_max : 0;
    if (for_good)
        core.rlim_max = core.rlim_cur;
    setrlimit(RLIMIT_CORE, &core);
}

void secrecy_begin(void) { allow(false, false); }

void secrecy_settle(bool allow_cores) { allow(allow_cores, !allow_cores); }
