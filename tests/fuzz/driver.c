/* In libFuzzer's place: runs a target once over each file that is named, or lies in a directory that is named. What
 * crashed once is tried by everybody that way, with any compiler. */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

static int files;
static char now[4096]; /* what runs: told when the process dies of it */

static void say_what(void) { fprintf(stderr, "[  FAILED  ] while it ran %s\n", now); }

/* Sanitizers end the process by themselves, and this is called. */
void __asan_on_error(void);
void __asan_on_error(void) { say_what(); }

static void run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = NULL;
    size_t len = 0;

    if (!f) {
        perror(path);
        exit(1);
    }
    fseek(f, 0, SEEK_END);
    len = (size_t)ftell(f);
    rewind(f);
    data = mem_alloc(len ? len : 1); /* exactly as long: reading past the end is seen */
    if (len && fread(data, 1, len, f) != len) {
        perror(path);
        exit(1);
    }
    fclose(f);
    snprintf(now, sizeof now, "%s", path);
    (void)LLVMFuzzerTestOneInput(data, len);
    files++;
    free(data);
}

static void run(const char *path)
{
    struct dirent **names;
    struct stat st;
    int n;

    if (stat(path, &st) < 0)
        return; /* a target without past crashes has no directory of them */
    if (!S_ISDIR(st.st_mode)) {
        run_file(path);
        return;
    }
    n = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        AUTO(mem_free) char *entry = mem_printf("%s/%s", path, names[i]->d_name);

        if (names[i]->d_name[0] != '.')
            run(entry);
        free(names[i]);
    }
    if (n >= 0)
        free(names);
}

int main(int argc, char **argv)
{
    const char *name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];

    if (LLVMFuzzerInitialize)
        LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++)
        run(argv[i]);
    printf("[%s] %s: %d inputs\n", files ? "       OK " : "  FAILED  ", name, files);
    return !files;
}
