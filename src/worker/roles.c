/* roles.c - the kinds of worker as the jail sees them: robot/roles.def, and what each may read. */
#include "worker/jail.h"

/* What several have in common: */
#define PROGRAMS "/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/alternatives" /* and what these load */
#define DEVICES "/dev/null", "/dev/urandom"
#define FONTS "/etc/fonts", "/var/cache/fontconfig"
#define MACHINE "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu" /* how much of it there is */
#define RESOLVER                                                                                                       \
    "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf", "/etc/services",        \
        "/run/systemd/resolve"
#define CERTIFICATES "/etc/ssl"

static const char *const media_paths[] = {
    PROGRAMS, "/bin", FONTS, "/etc/magic", "/etc/ImageMagick-6",
    "/etc/texmf", "/var/lib/texmf", DEVICES, MACHINE, NULL};
static const char *const transfer_paths[] = {PROGRAMS, CERTIFICATES, RESOLVER, DEVICES, "/proc/self", NULL};
static const char *const office_paths[] = {
    PROGRAMS, "/bin", FONTS, "/etc/libreoffice", "/var/lib/libreoffice", "/var/spool/libreoffice",
    DEVICES, MACHINE, NULL};
static const char *const browser_paths[] = {
    PROGRAMS, "/bin", CERTIFICATES, RESOLVER, FONTS, "/sys/devices/system/cpu", DEVICES, "/proc", NULL};
static const char *const script_paths[] = {NULL}; /* its engine is loaded by the zygote: then it opens nothing */

const struct role roles[ROLE_COUNT] = {
#define X(id, name, network, writes, address, data, together, files, processes, nice, ...)                             \
    [ROLE_##id] = {#name, network, writes, address, data, together, files, processes, nice, name##_paths},
#include "robot/roles.def"
#undef X
};
