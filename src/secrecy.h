/* secrecy.h - the memory of a process that knows secrets is nobody else's: no core dump, no debugger of the same user,
 * no /proc/PID/mem. What it execs (workers) is dumpable again, and has none of this memory. */
#pragma once
#include <stdbool.h>

/* First of all in main(): the environment may hold a secret already. */
void secrecy_begin(void);
/* When the settings are known. allow_cores: an operator hunts a crash and wants them. */
void secrecy_settle(bool allow_cores);
