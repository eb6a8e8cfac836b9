/* Downloads from a server that has one file, which may become another one at any time: it breaks off, gives no ranges,
 * minds no conditions, says odd statuses. It never lies about which file a byte is of. Whatever it does, what a Robot
 * calls a file is one version of it, to its last byte. The first byte says who fetches, the second by what versions are
 * told apart, each further one what is done with a request. */
#include "remote.h"
#include "transfer/fetch.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define LONGEST 400
#define SHORTEST 60 /* so that each range below is in it */

/* Directly, of a service's interface, or by a Robot. */
enum who { IF_RANGE, IF_MATCH, PINNED, NEVER, AS_IT_LIES, HTTP, HTTP_RANGE, HTTP_RANGES, S3, S3_RANGES, WHO_COUNT };
enum told { BY_ETAG, BY_WEAK_ETAG, BY_DATE, BY_NOTHING, TOLD_COUNT };

static const char *const steps[WHO_COUNT] = {
    [HTTP] = "{\"url\":\"http://x/a\"}",
    [HTTP_RANGE] = "{\"url\":\"http://x/a\",\"range\":\"10-49\"}",
    [HTTP_RANGES] = "{\"url\":\"http://x/a\",\"range\":[\"0-9\",\"20-39\"]}",
    [S3] = "{\"bucket\":\"b\",\"key\":\"k\",\"secret\":\"s\",\"bucket_region\":\"r\",\"path\":\"a\"}",
    [S3_RANGES] = "{\"bucket\":\"b\",\"key\":\"k\",\"secret\":\"s\",\"bucket_region\":\"r\",\"path\":\"a\","
                  "\"range\":[\"0-9\",\"20-39\"]}",
};

static struct {
    struct bytes *script;
    enum who who;
    enum told told;
    int version;
    int emitted;
} server;

/* Some are as long as those before. */
static int length_of(int version) { return SHORTEST + version / 2 * 37 % (LONGEST - SHORTEST); }
/* No byte of a version is that of the next at the same place. */
static char byte_of(int version, int i) { return (char)('a' + (i * 7 + i / 26 + version) % 26); }

/* ---- the server ---- */

static const char *line_of(const struct http_client_request *req, const char *name)
{
    size_t n = strlen(name);

    for (const char *const *h = req->headers; h && *h; h++)
        if (!strncasecmp(*h, name, n) && (*h)[n] == ':')
            return *h + n + 1 + strspn(*h + n + 1, " ");
    return NULL;
}

static char *etag_of(int version)
{
    return server.told == BY_ETAG        ? mem_printf("\"v%d\"", version)
           : server.told == BY_WEAK_ETAG ? mem_printf("W/\"v%d\"", version)
                                         : NULL;
}

static char *date_of(int version) { return mem_printf("Sun, 06 Nov 1994 08:%02d:37 GMT", version % 60); }

/* What is asked for: the last byte, and *from. -1: all. */
static int asked(int *from, const struct http_client_request *req, int length)
{
    const char *range = line_of(req, "range");
    int to = length - 1;

    *from = 0;
    if (!range)
        return -1;
    if (sscanf(range, "bytes=-%d", &to) == 1) {
        *from = to < length ? length - to : 0;
        return length - 1;
    }
    CHECK(sscanf(range, "bytes=%d-%d", from, &to) >= 1 && *from >= 0);
    return to < length ? to : length - 1;
}

static char *say(int status, const char *more, int from, int to, int cut)
{
    struct str out = {0};
    AUTO(mem_free) char *etag = etag_of(server.version), *date = date_of(server.version);

    str_addf(&out, "%d\nContent-Length: %d\n%s", status, to - from + 1, more);
    if (etag)
        str_addf(&out, "ETag: %s\n", etag);
    if (server.told == BY_DATE)
        str_addf(&out, "Last-Modified: %s\nDate: Mon, 07 Nov 1994 08:00:00 GMT\n", date);
    str_addf(&out, "%s\n", from + cut <= to ? "broken: yes\n" : "");
    for (int i = from; i <= to && i < from + cut; i++)
        str_putc(&out, byte_of(server.version, i));
    return str_take(&out);
}

/* Who asks twice for parts must be able to tell of what. */
static bool is_the_same_for_ever(void)
{
    return server.who == PINNED || (server.who == HTTP_RANGES && server.told % 2) ||
           (server.who == S3_RANGES && server.told != BY_ETAG);
}

static char *serve(const struct http_client_request *req)
{
    static const int statuses[] = {503, 429, 416, 412, 202 /* not yet: for services only */};
    unsigned act = take_byte(server.script), cut = act & 8 ? take_byte(server.script) : 256;
    int from;

    if ((act & 3) == 3 && !is_the_same_for_ever())
        server.version = (server.version + 1) % 25;
    if ((act & 0xf0) == 0xf0)
        return mem_printf("%d\n\n", statuses[(act & 7) % (server.who < HTTP ? 5 : 4)]);
    AUTO(mem_free) char *etag = etag_of(server.version), *date = date_of(server.version);
    int length = length_of(server.version), to = asked(&from, req, length);
    const char *match = line_of(req, "if-match"), *if_range = line_of(req, "if-range");
    bool mindful = !(act & 4);
    if (mindful && match && (!etag || strcmp(match, etag) != 0))
        return mem_printf("412\n\n");
    if (mindful && if_range && strcmp(if_range, etag ? etag : date) != 0)
        to = -1;
    if ((act & 0x30) == 0x30) /* it knows no ranges */
        to = -1;
    if (to >= 0 && from > to)
        return mem_printf("416\n\n");
    if (to < 0)
        return say(200, "", 0, length - 1, (int)cut * length / 256);
    AUTO(mem_free) char *part = mem_printf("Content-Range: bytes %d-%d/%d\n", from, to, length);
    return say(206, part, from, to, (int)cut * (to - from + 1) / 256);
}

/* ---- what came ---- */

static bool has(const char *data, int version, int from, int to, int at)
{
    for (int i = from; i <= to; i++)
        if (data[at + i - from] != byte_of(version, i))
            return false;
    return true;
}

static bool is_version(const char *data, int size, int version)
{
    int length = length_of(version);

    if (size == length && has(data, version, 0, length - 1, 0)) /* also where ranges are not known */
        return true;
    if (server.who == HTTP_RANGE)
        return size == 40 && has(data, version, 10, 49, 0);
    return (server.who == HTTP_RANGES || server.who == S3_RANGES) && size == 40 && has(data, version, 0, 9, 0) &&
           has(data, version, 20, 39, 20);
}

static void look(const char *path)
{
    char data[LONGEST + 1] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = read(fd, data, sizeof data);
    bool found = false;

    CHECK(size >= 0);
    close(fd);
    for (int v = 0; v < 25 && !found; v++)
        found = is_version(data, (int)size, v);
    CHECK(found);
    server.emitted++;
}

/* ---- who fetches ---- */

static int on_answer(struct fetch *f, const struct http_client_response *r, struct err *err)
{
    (void)r;
    return remote_open(f->file, "a", NULL, err);
}

static int fetch_directly(struct robot_job *job, struct err *err)
{
    static const enum fetch_same same[] = {FETCH_IF_RANGE, FETCH_IF_MATCH, FETCH_PINNED, FETCH_NEVER, FETCH_IF_MATCH};
    struct api api = {.job = job, .service = "it"};
    struct remote_import_file file = {.job = job, .place = "a", .fd = -1, .limit = 100000, .share = 1};
    int rc = fetch_run(&(struct fetch){.api = &api,
                                       .file = &file,
                                       .url = "http://x/a",
                                       .as_it_lies = server.who == AS_IT_LIES,
                                       .same = same[server.who],
                                       .size = -1,
                                       .on_answer = on_answer},
                       err);

    fd_close(file.fd);
    if (rc == 0)
        look(file.path);
    return rc;
}

static int fetch_by_robot(struct robot_job *job, const struct robot *r, struct err *err)
{
    AUTO(json_unref) json_t *step = json_loads(steps[server.who], 0, NULL);
    void *opts;

    CHECK(robot_options(&opts, robot_arena(job), r, step, false, err) == 0);
    return r->run(job, opts, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes b = {data, len};
    unsigned who = take_byte(&b) % WHO_COUNT, told = take_byte(&b) % TOLD_COUNT;
    const struct robot *r = robot_find(who >= S3 ? "/s3/import" : "/http/import");
    struct robot_job *job = remote_job(r, &b, "", 0);
    int descriptors = fuzz_descriptors();
    struct err err = {0};

    server = (typeof(server)){.script = &b, .who = who, .told = told};
    remote_server = serve;
    remote_emitted = look;
    if ((steps[who] ? fetch_by_robot(job, r, &err) : fetch_directly(job, &err)) < 0)
        CHECK(err.code && err.msg[0]);
    else
        CHECK(server.emitted == 1);
    unlink(robot_out_path(job, "x"));
    CHECK(fuzz_descriptors() == descriptors);
    remote_done(job);
    return 0;
}
