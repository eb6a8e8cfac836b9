/* A hostile worker against the real pool: what a fuzzer makes up is said, one packet after the other, by workers whose other end
 * is the daemon's own code with a real loop and a real blob store. What must be so whatever is said is in pool_bed.c: sizes
 * and digests are those of the blob, no path of the server is in a text, nothing comes after the end.
 *
 * The input is lines; the first character says what the rest is:
 *   W  a packet of the worker that has the job           M  the same, its body in a sealed memory file
 *   U  its body in a memory file with the first digit's seals     D  a packet with as many descriptors as the first digit
 *   F  a file in out/: kind (f, l, d, p, h), name        Z  a packet of the zygote        C  a packet of the courier
 *   J  a job: its kind (0 resize, 1 probe, 2 import, 3 store, 4 undo, 5 sftp,
 *      6 three that are done together)  K  confirm an undo  S  stop it
 *   A  the answer to a probe that asks what is next: a job (1), or none
 *   T  a turn
 * What the worker needs to be at work (up, taken) is said by itself unless the line N has come.
 *
 * With -DFUZZ_POOL_ALONE it is a program of its own: fuzz_pool FILE... plays them, fuzz_pool --random N [SEED] says N messages,
 * made of the seeds below and broken. */
#include "../unit/pool_bed.h"
#include "base/clock.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

static struct bed bed;
static long messages;
static bool open_already, by_hand;

/* No pid in here is anybody's. */
int kill(pid_t pid, int sig) { return 0; }

static const struct {
    enum robot_role role;
    const char *robot, *input;
    bool undo;
    int mates;
} jobs[] = {
    {ROLE_MEDIA, "/image/resize", "input", false},  {ROLE_MEDIA, "/upload/handle", "input", false},
    {ROLE_TRANSFER, "/http/import", NULL, false},   {ROLE_TRANSFER, "/s3/store", "input", false},
    {ROLE_TRANSFER, "/s3/store", "input", true},     {ROLE_TRANSFER, "/sftp/store", "input", false},
    {ROLE_MEDIA, "/video/encode", "input", false, 2},
};

static void start(int kind)
{
    bed.mates = jobs[kind].mates;
    if (!bed.run)
        bed_start(&bed, jobs[kind].role, jobs[kind].robot, jobs[kind].input, jobs[kind].undo);
}

/* The worker that has the job. It may have died of the last line. */
static struct bed_worker *worker(void)
{
    if (!bed.run)
        start(0);
    struct bed_worker *w = bed_working(&bed);

    if (w && !by_hand && bed.run && !bed.run->said.taken) {
        bed_say(w, "taken {}");
        uv_run(&bed.loop, UV_RUN_NOWAIT);
    }
    return w && w->sock >= 0 ? w : NULL;
}

static struct bed_worker *courier(void)
{
    struct err err;
    char id[ID_LEN + 1] = "0123456789abcdef0123456789abcdef";

    (void)!pool_post(&bed.p, json_pack("{s:s,s:s}", "id", id, "url", "http://x/"), &err);
    bed_turn(&bed);
    for (int i = 0; i < BED_HELD; i++)
        if (bed.held[i].sock >= 0 && bed.held[i].courier)
            return &bed.held[i];
    return NULL;
}

static int digit(const char **text, size_t *len)
{
    int d = *len && **text >= '0' && **text <= '7' ? **text - '0' : 0;

    if (*len) {
        ++*text;
        --*len;
    }
    return d;
}

static void say_spilled(struct bed_worker *w, const char *text, size_t len, int seals)
{
    const char *space = memchr(text, ' ', len);
    size_t name = space ? (size_t)(space - text) : len;
    char head[64];
    int fd = bed_memory(space ? space + 1 : "", space ? len - name - 1 : 0, seals);

    (void)!bed_packet(w->sock, head, (size_t)snprintf(head, sizeof head, "%.*s @", (int)(name < 50 ? name : 50), text), &fd, 1);
    close(fd);
}

static void say_with(struct bed_worker *w, const char *text, size_t len, int count)
{
    int fds[8];

    for (int i = 0; i < count; i++)
        fds[i] = i % 2 ? bed_memory("{\"fraction\":0.5}", 16, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
                       : open("/dev/null", O_RDONLY | O_CLOEXEC);
    (void)!bed_packet(w->sock, text, len, fds, count);
    for (int i = 0; i < count; i++)
        close(fds[i]);
}

static void make_file(const struct bed_worker *w, const char *text, size_t len)
{
    char name[64], path[400];
    struct stat st;

    if (len < 2)
        return;
    snprintf(name, sizeof name, "%.*s", (int)(len - 1 < 40 ? len - 1 : 40), text + 1);
    if (!*name || strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
        return;
    snprintf(path, sizeof path, "%s/out/%s", w->dir, name);
    switch (*text) {
    case 'l': (void)!symlink("/etc/passwd", path); break;
    case 'd': (void)!mkdir(path, 0700); break;
    case 'p': (void)!mkfifo(path, 0600); break;
    case 'h': {
        char in[400];

        snprintf(in, sizeof in, "%s/in/0.png", w->dir);
        (void)!link(in, path);
        break;
    }
    default: {
        /* what lies there may be a FIFO, or a link to what is not ours */
        int fd = lstat(path, &st) == 0 ? -1 : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        if (fd >= 0)
            (void)!write(fd, text, len);
        fd_close(fd);
    }
    }
}

/* A zygote says what it likes of any worker, but is not believed dead: that is another process's end. */
static void zygote_says(const char *text, size_t len)
{
    int role = len & 1;

    if (bed.p.zygotes[role].poll && uv_is_active((uv_handle_t *)bed.p.zygotes[role].poll))
        (void)!bed_packet(bed.zygote[role], text, len, NULL, 0);
}

static void line(const char *text, size_t len)
{
    char what = *text++;
    struct bed_worker *w = NULL;

    len--;
    messages++;
    if (strchr("WMUDF", what) && !(w = worker()))
        return;
    switch (what) {
    case 'W': (void)!bed_packet(w->sock, text, len < 60000 ? len : 60000, NULL, 0); break;
    case 'M': say_spilled(w, text, len, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE); break;
    case 'U': {
        int seals = digit(&text, &len);

        say_spilled(w, text, len, (seals & 1 ? F_SEAL_SHRINK : 0) | (seals & 2 ? F_SEAL_GROW : 0) | (seals & 4 ? F_SEAL_WRITE : 0));
        break;
    }
    case 'D': {
        int count = digit(&text, &len);

        say_with(w, text, len < 60000 ? len : 60000, count);
        break;
    }
    case 'F': make_file(w, text, len); return;
    case 'Z': zygote_says(text, len); break;
    case 'C':
        if ((w = courier()))
            (void)!bed_packet(w->sock, text, len < 60000 ? len : 60000, NULL, 0);
        break;
    case 'J': start(digit(&text, &len) % (int)ARRAY_LEN(jobs)); return;
    case 'K':
        bed.hold_undo = !bed.hold_undo;
        if (bed.run && bed.run->said.undo_open)
            pool_undo_ok(bed.run);
        return;
    case 'A':
        if (bed.asker)
            bed_next(&bed, digit(&text, &len) == 1);
        break;
    case 'S':
        if (bed.run && !bed.run->stopping)
            pool_stop(bed.run);
        break;
    case 'N': by_hand = true; return;
    case 'T': bed_turn(&bed); return;
    default: messages--; return;
    }
    uv_run(&bed.loop, UV_RUN_NOWAIT);
}

static void close_bed(void) { bed_close(&bed); }

static void open_once(void)
{
    if (open_already)
        return;
    open_already = true;
    json_setup();
    log_setup(LOG_ERROR, false);
    bed_open(&bed, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : NULL);
    atexit(close_bed);
}

/* Every input begins with a pool that has no job; its workers and its blob store stay. */
static void settle(void)
{
    if (bed.run && !bed.run->stopping)
        pool_stop(bed.run);
    bed_turn(&bed);
    by_hand = bed.hold_undo = false;
    for (int role = 0; role < ROLE_COUNT; role++)
        bed.p.zygotes[role].deaths = 0;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    open_once();
    for (size_t at = 0; at < size;) {
        const unsigned char *end = memchr(data + at, '\n', size - at);
        size_t len = end ? (size_t)(end - data) - at : size - at;

        if (len)
            line((const char *)data + at, len);
        at += len + 1;
    }
    settle();
    return 0;
}

#ifdef FUZZ_POOL_ALONE
static const char *const seeds[] = {
    "Wprogress {\"fraction\":0.5}", "Wundo {\"token\":{\"a\":1}}", "Wundo {\"token\":null}", "J5",
    "Whost {\"host\":\"files.example\",\"port\":22,\"key\":\"ssh-ed25519 A\"}",
    "Whost {\"host\":\"files.example\",\"port\":22}", "Wdone {\"exec_us\":1}",
    "Wfailed {\"code\":3,\"name\":\"\",\"msg\":\"m\",\"detail\":\"d\",\"private\":false}", "Ff0", "Ff1", "Fl2", "Fd3", "Fp4", "Fh5",
    "Woutput {\"index\":0,\"file\":{\"path\":\"out/0\",\"name\":\"x\",\"ext\":\"a\",\"size\":1,\"md5\":\"m\",\"mime\":\"a/b\",\"meta\":{},\"input\":0}}",
    "Woutput {\"index\":1,\"file\":{\"path\":\"out/1\",\"name\":\"x\",\"meta\":{\"a\":[1,2,{\"b\":null}]},\"extra\":{},\"input\":-1}}",
    "Woutput {\"index\":0,\"clone\":{\"input\":0,\"meta\":{}}}", "Woutput {\"index\":0,\"same\":{\"input\":0,\"mime\":\"a/b\",\"ext\":\"a\",\"early\":true}}",
    "Woutput {\"index\":0,\"stored\":{\"input\":0,\"url\":\"http://a/\",\"ssl_url\":\"https://a/\",\"extra\":{}}}",
    "Moutput {\"index\":0,\"clone\":{\"input\":0,\"meta\":{\"a\":[[],[]]}}}", "U3progress {\"fraction\":0.5}", "U7progress {\"fraction\":0.5}",
    "D1progress {\"fraction\":0.5}", "D2progress @", "D7taken {}", "Zgone {\"worker\":1,\"status\":9,\"killed\":1}",
    "Zspawned {\"worker\":2,\"error\":\"no\"}", "Zready {\"complete\":true,\"notes\":[]}", "Cup {}",
    "Cposted {\"id\":\"0123456789abcdef0123456789abcdef\",\"status\":200,\"data\":\"\",\"duration_us\":1}",
    "J6", "Wdone {\"exec_us\":1,\"job\":1}", "Wdone {\"exec_us\":1,\"job\":2}",
    "Wprogress {\"fraction\":0.5,\"job\":2}",
    "Wfailed {\"code\":3,\"msg\":\"m\",\"job\":1}", "Woutput {\"index\":0,\"clone\":{\"input\":0},\"job\":1}",
    "Woutput {\"index\":0,\"file\":{\"path\":\"out/0\",\"name\":\"x\",\"input\":0},\"job\":2}",
    "Woutput {\"index\":0,\"same\":{\"input\":0,\"mime\":\"a/b\",\"ext\":\"a\",\"early\":true,\"asks\":true}}",
    "Woutput {\"index\":1,\"same\":{\"input\":0,\"meta\":{}}}", "A0", "A1",
    "J0", "J1", "J2", "J3", "J4", "K", "S", "T", "N", "Wtaken {}", "Wup {}"};

static uint64_t state;

static uint32_t rnd(uint32_t below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % below;
}

static void break_it(struct str *b)
{
    static const char *const bits[] = {"-1", "null", "{}", "[]", "\"\"", "1e999", "9223372036854775808", "true", ",", "}", "{", ":", "\\u0000",
                                       "../", "/", "\"a\":1,", "\x80", "0.5", "99999"};

    for (uint32_t n = rnd(3); n; n--) {
        size_t at = b->len > 1 ? 1 + rnd((uint32_t)b->len - 1) : 0;
        const char *bit = bits[rnd(ARRAY_LEN(bits))];
        struct str out = {0};
        size_t skip = rnd(2) ? rnd(6) : 0;

        str_add(&out, b->s, at);
        str_puts(&out, bit);
        if (at + skip < b->len)
            str_add(&out, b->s + at + skip, b->len - at - skip);
        str_done(*b);
        *b = out;
    }
}

static int play_random(long most, uint64_t seed)
{
    int64_t begin = clock_mono_us();

    for (long round = 0; messages < most; round++) {
        struct str input = {0};

        state = seed + (uint64_t)round;
        for (uint32_t lines = 1 + rnd(12); lines; lines--) {
            struct str one = {0};

            str_puts(&one, seeds[rnd(ARRAY_LEN(seeds))]);
            if (!rnd(3))
                break_it(&one);
            str_add(&input, one.s, one.len);
            str_putc(&input, '\n');
            str_done(one);
        }
        LLVMFuzzerTestOneInput((const unsigned char *)input.s, input.len);
        str_done(input);
    }
    int64_t us = clock_mono_us() - begin;
    fprintf(stderr, "%ld messages, %.0f a second; outputs %d, done %d, failed %d, stopped %d, workers %d\n", messages,
            (double)messages * 1e6 / (double)us, bed.outputs, bed.dones, bed.failures, bed.stops, bed.spawned);
    return 0;
}

static int play_file(const char *path)
{
    static unsigned char buf[1 << 20];
    FILE *f = fopen(path, "r");

    if (!f)
        return 1;
    size_t n = fread(buf, 1, sizeof buf, f);
    fclose(f);
    LLVMFuzzerTestOneInput(buf, n);
    return 0;
}

int main(int argc, char **argv)
{
    open_once();
    if (argc > 2 && !strcmp(argv[1], "--random"))
        return play_random(atol(argv[2]), argc > 3 ? strtoull(argv[3], NULL, 10) : 1);
    for (int i = 1; i < argc; i++)
        if (play_file(argv[i]))
            return 1;
    return 0;
}
#endif
