/* In libFuzzer's place: runs a target once over each file that is named, or lies in a directory that is named. What
 * crashed once is tried by everybody that way, with any compiler. FUZZ_MUTATIONS=n: then over n inputs that are made of
 * these, the same each time; the one that runs lies beside the program as NAME.input until it is over. */
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

static struct input {
    uint8_t *data;
    size_t len;
} *inputs; /* that were read: what mutations are made of */

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
    inputs = mem_realloc(inputs, (size_t)(files + 1) * sizeof *inputs);
    inputs[files++] = (struct input){data, len};
}

/* ---- mutations ---- */

#define GROWS_MOST 64  /* bytes that a step adds at most */
#define LONGEST 65536  /* longer inputs are run, but nothing is made of them: that takes time and finds little */
#define STEPS_MOST 6

static uint64_t dice = 0x9E3779B97F4A7C15;

/* 0 to below; below > 0 */
static size_t roll(size_t below)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return (size_t)(dice % below);
}

/* One change; data has room for GROWS_MOST more. Returns the new length. */
static size_t change(uint8_t *data, size_t len)
{
    static const uint8_t odd[] = {0, 1, 9, 10, 13, 32, 34, 37, 39, 44, 45, 46, 47, 48, 57, 58, 60, 62,
                                  91, 92, 123, 125, 127, 128, 255};
    size_t at = len ? roll(len) : 0, n = 1 + roll(GROWS_MOST);
    const struct input *other = &inputs[roll((size_t)files)];
    size_t from = other->len ? roll(other->len) : 0;

    if (!len || roll(6) == 0) { /* a piece of another input comes in */
        n = n < other->len - from ? n : other->len - from;
        memmove(data + at + n, data + at, len - at);
        if (n)
            memcpy(data + at, other->data + from, n);
        return len + n;
    }
    switch (roll(5)) {
    case 0: data[at] ^= (uint8_t)(1 << roll(8)); return len;
    case 1: data[at] = odd[roll(sizeof odd)]; return len;
    case 2: return at; /* cut off */
    case 3: /* a piece is missing */
        n = n < len - at ? n : len - at;
        memmove(data + at, data + at + n, len - at - n);
        return len - n;
    default: /* a piece comes twice */
        n = n < len - at ? n : len - at;
        memmove(data + at + n, data + at, len - at);
        return len + n;
    }
}

static void run_changed(const char *place)
{
    const struct input *of = &inputs[roll((size_t)files)];
    size_t len = of->len, steps = 1 + roll(STEPS_MOST);

    if (len > LONGEST)
        return;
    AUTO(mem_free) char *room = mem_alloc(len + (steps + 1) * GROWS_MOST);
    if (len)
        memcpy(room, of->data, len);
    for (size_t i = 0; i < steps; i++)
        len = change((uint8_t *)room, len);
    AUTO(mem_free) char *exact = mem_alloc(len ? len : 1);
    if (len)
        memcpy(exact, room, len);
    FILE *f = fopen(place, "wb");
    if (!f || fwrite(exact, 1, len, f) != len || fclose(f) != 0) {
        perror(place);
        exit(1);
    }
    (void)LLVMFuzzerTestOneInput((const uint8_t *)exact, len);
}

static void run_mutations(const char *program, int count)
{
    AUTO(mem_free) char *place = mem_printf("%s.input", program);

    snprintf(now, sizeof now, "%s", place);
    for (int i = 0; i < count && files; i++)
        run_changed(place);
    remove(place);
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
    const char *mutations = getenv("FUZZ_MUTATIONS");
    if (mutations)
        run_mutations(argv[0], atoi(mutations));
    for (int i = 0; i < files; i++)
        free(inputs[i].data);
    free(inputs);
    printf("[%s] %s: %d inputs\n", files ? "       OK " : "  FAILED  ", name, files);
    return !files;
}
