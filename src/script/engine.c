#include "script/engine.h"
#include "script/confine.h"

#include <JavaScriptCore/JavaScript.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#define MEMORY_DEFAULT (INT64_C(128) << 20)
#define SHOWN          160 /* bytes of an expression in an error text */

static JSGlobalContextRef engine;
static JSObjectRef answer_to; /* prelude.js */
static _Atomic(int) *running; /* in a child: struct child.at */

static const char prelude[] =
#include "prelude.inc"
    ;

/* Some of what is paid for at first use, so that no evaluation pays it. */
static const char warm_up[] =
    "{\"variables\":{\"file\":{\"name\":\"a\",\"meta\":{\"w\":[1.5,\"\"]}},\"fields\":{}},\"expressions\":["
    "{\"code\":\"file.name.replace(/a(b?)/i, (x) => `${x}$1`).split('.').map((s) => "
    "s.toUpperCase()).join()\",\"text\":true},"
    "{\"code\":\"[Math.max(1, Number('2')), new Date(0).toISOString(), JSON.stringify(file), "
    "encodeURIComponent('ä')]\"},"
    "{\"code\":\"new Date(0).toLocaleString('de-DE') + new Intl.NumberFormat('de').format(1.5) + "
    "'b'.localeCompare('a')\"}]}";

/* The engine's own is seeded when it starts: every child would have the same numbers. */
static JSValueRef js_random(JSContextRef ctx, JSObjectRef fn, JSObjectRef self, size_t count, const JSValueRef args[],
                            JSValueRef *thrown)
{
    uint64_t bits = 0;

    (void)!getrandom(&bits, sizeof bits, 0);
    return JSValueMakeNumber(ctx, (double)(bits >> 11) * 0x1p-53);
}

static JSValueRef js_at(JSContextRef ctx, JSObjectRef fn, JSObjectRef self, size_t count, const JSValueRef args[],
                        JSValueRef *thrown)
{
    if (running)
        *running = count ? (int)JSValueToNumber(ctx, args[0], NULL) : 0;
    return JSValueMakeUndefined(ctx);
}

static JSObjectRef js_function(const char *name, JSObjectCallAsFunctionCallback fn)
{
    JSStringRef text = JSStringCreateWithUTF8CString(name);
    JSObjectRef made = JSObjectMakeFunctionWithCallback(engine, text, fn);

    JSStringRelease(text);
    return made;
}

/* The answer to a request, a C text; NULL: not even that. */
static char *js_answer(const char *request)
{
    JSStringRef text = JSStringCreateWithUTF8CString(request);
    JSValueRef arg = JSValueMakeString(engine, text), thrown = NULL;
    JSValueRef got = JSObjectCallAsFunction(engine, answer_to, NULL, 1, &arg, &thrown);
    JSStringRef said =
        got && !thrown && JSValueIsString(engine, got) ? JSValueToStringCopy(engine, got, &thrown) : NULL;

    if (!said)
        return NULL;
    size_t most = JSStringGetMaximumUTF8CStringSize(said);
    char *out = mem_alloc(most);
    JSStringGetUTF8CString(said, out, most);
    return out;
}

void script_begin(void)
{
    JSStringRef text;
    JSValueRef fn, thrown = NULL;

    if (engine)
        return;
    /* an interpreter without threads, over the C library's memory: it can be forked */
    static const char *const options[][2] = {{"Malloc", "1"},
                                             {"TZ", "UTC"},
                                             {"JSC_useJIT", "0"},
                                             {"JSC_useRegExpJIT", "0"},
                                             {"JSC_useConcurrentGC", "0"},
                                             {"JSC_useConcurrentJIT", "0"},
                                             {"JSC_numberOfGCMarkers", "1"},
                                             {"JSC_useWasm", "0"},
                                             {"JSC_useSharedArrayBuffer", "0"}};
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        setenv(options[i][0], options[i][1], 1);
    engine = JSGlobalContextCreate(NULL);
    text = JSStringCreateWithUTF8CString(prelude);
    fn = JSEvaluateScript(engine, text, NULL, NULL, 1, &thrown);
    JSStringRelease(text);
    if (!fn || thrown)
        abort(); /* our own program */
    JSValueRef args[] = {JSContextGetGlobalObject(engine), js_function("random", js_random),
                         js_function("at", js_at)};
    answer_to = (JSObjectRef)JSObjectCallAsFunction(engine, (JSObjectRef)fn, NULL, ARRAY_LEN(args), args, &thrown);
    if (!answer_to || thrown)
        abort();
    JSValueProtect(engine, answer_to);
    AUTO(mem_free) char *said = js_answer(warm_up);
    if (!said || strncmp(said, "{\"values\":[", 11))
        abort();
    confine_prepare();
}

/* ---- the child ---- */

/* One that waits for what it is to evaluate: forked and warmed before that came, as this takes longer than most
 * evaluations do. It ends when its request does not come. */
static struct child {
    pid_t pid; /* 0: there is none */
    int request, answer;
    _Atomic(int) *at; /* which expression it is at: a page of its own that we see */
} ready;

static void take_request(struct str *out, int fd)
{
    char buf[16384];
    ssize_t n;

    while ((n = read(fd, buf, sizeof buf)) > 0 || (n < 0 && errno == EINTR))
        if (n > 0)
            str_add(out, buf, (size_t)n);
    close(fd);
    if (!out->len)
        _exit(0);
}

static void answer_all(int fd, const char *text)
{
    for (size_t len = strlen(text); len;) {
        ssize_t n = write(fd, text, len);

        if (n < 0)
            break;
        text += n;
        len -= (size_t)n;
    }
}

static _Noreturn void be_child(int request, int answer)
{
    struct str asked = {0};

    confine_keep(&request, &answer);
    free(js_answer(warm_up)); /* the pages that it writes to are its own from here on */
    take_request(&asked, request);
    const int64_t memory = strtoll(asked.s, NULL, 10);
    const char *text = strchr(asked.s, '{');
    confine_enter(answer, SCRIPT_CPU_S, SCRIPT_WALL_S, memory);
    char *said = text ? js_answer(text) : NULL;
    if (!said)
        _exit(CONFINE_FAILED);
    answer_all(answer, said);
    close(answer); /* the end of a process takes longer than its answer */
    _exit(0);
}

static int child_start(struct child *c, struct err *err)
{
    int asks[2], says[2];

    if (pipe2(asks, O_CLOEXEC) < 0)
        return err_errno(err, "make a pipe for an evaluation");
    if (pipe2(says, O_CLOEXEC) < 0) {
        close(asks[0]);
        close(asks[1]);
        return err_errno(err, "make a pipe for an evaluation");
    }
    c->at = mmap(NULL, sizeof *c->at, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    running = c->at == MAP_FAILED ? NULL : c->at;
    c->pid = running ? fork() : -1;
    if (c->pid == 0)
        be_child(asks[0], says[1]);
    int failed = errno;
    running = NULL;
    close(asks[0]);
    close(says[1]);
    c->request = asks[1];
    c->answer = says[0];
    if (c->pid > 0)
        return 0;
    close(c->request);
    close(c->answer);
    c->pid = 0;
    errno = failed;
    return err_errno(err, "start an evaluation");
}

static pid_t last; /* has answered, and is about to end; 0: there is none */

/* Its end as waitpid() gives it; -1: there was none. */
static int reap(pid_t pid)
{
    int status, rc;

    do
        rc = waitpid(pid, &status, 0);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? -1 : status;
}

static void reap_last(void)
{
    if (last > 0)
        (void)reap(last);
    last = 0;
}

void script_ready(void)
{
    struct err err;

    reap_last();
    if (!ready.pid)
        (void)!child_start(&ready, &err); /* then the evaluation says so */
}

/* ---- one evaluation ---- */

/* All that the child says, or as much as it may; *over: it said more. */
static void hear(struct str *out, bool *over, int fd)
{
    const size_t most = SCRIPT_VALUE_BYTES + 64;
    char buf[16384];
    ssize_t n;

    *over = false;
    while ((n = read(fd, buf, sizeof buf)) > 0 || (n < 0 && errno == EINTR)) {
        if (n > 0 && out->len + (size_t)n > most) {
            *over = true;
            return;
        }
        if (n > 0)
            str_add(out, buf, (size_t)n);
    }
}

/* NULL: it ended by itself, with an answer. */
static const char *passed_limit(int status, bool over, int64_t memory_bytes, char *text, size_t size)
{
    int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0, code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;

    if (over)
        snprintf(text, size, "it gives more than %d KB", SCRIPT_VALUE_BYTES >> 10);
    else if (sig == SIGXCPU)
        snprintf(text, size, "it used more than the %d s of processor time that it may", SCRIPT_CPU_S);
    else if (code == CONFINE_WALL)
        snprintf(text, size, "it took longer than %d s", SCRIPT_WALL_S);
    else if (code == CONFINE_MEMORY)
        snprintf(text, size, "it needs more than the %lld MB of memory that it may have (script_memory_mb)",
                 (long long)(memory_bytes >> 20));
    else if (sig) /* the engine ends its process where memory or stack are out in the middle of things */
        snprintf(text, size, "it ended the engine (signal %d), as what needs too much memory does", sig);
    else if (code)
        snprintf(text, size, "the engine could not evaluate it (status %d)", code);
    else
        return NULL;
    return text;
}

static int blame(struct err *err, const struct script_work *work, int at, const char *why)
{
    const json_t *e = json_array_get(work->expressions, (size_t)at);
    const char *code = work->program ? NULL : jstr_or(e, "code", "");

    if (!code)
        return err_set(err, ERR_ROBOT_VALIDATION, "%s", why);
    return err_set(err, ERR_ROBOT_VALIDATION, "the expression ${%.*s%s} can't be used: %s", SHOWN, code,
                   strlen(code) > SHOWN ? "..." : "", why);
}

static int read_answer(json_t **values, const struct str *said, const struct script_work *work, int at,
                       struct err *err)
{
    const struct json_bounds most = {.depth = SCRIPT_DEPTH, .values = SCRIPT_VALUES};
    size_t wanted = work->program ? 1 : json_array_size(work->expressions);
    struct err why = {0};
    AUTO(json_unref) json_t *answer = json_parse_within(said->s ? said->s : "", said->len, &most, &why);
    const char *error = jstr(answer, "error");
    json_t *got = json_object_get(answer, "values");

    if (!answer) {
        AUTO(mem_free) char *text = mem_printf("its value can't be taken: %s", why.msg);

        return blame(err, work, at, text);
    }
    if (error)
        return blame(err, work, at, error);
    if (!json_is_array(got) || json_array_size(got) != wanted)
        return blame(err, work, at, "it gives no value");
    *values = json_incref(got);
    return 0;
}

/* Its answer, as much as it may be. */
static void child_hear(struct child *c, struct str *said, bool *over, int *at)
{
    close(c->request);
    hear(said, over, c->answer);
    close(c->answer); /* one that still writes is ended by that */
    *at = *c->at;
    munmap((void *)c->at, sizeof *c->at);
}

static char *request_of(const struct script_work *work, int64_t memory_bytes)
{
    AUTO(json_unref)
    json_t *request = json_pack("{s:O,s:O*,s:O*,s:s*}", "variables", work->variables, "inputs", work->inputs,
                                "expressions", work->expressions, "program", work->program);
    AUTO(mem_free) char *text = json_text(request);

    return mem_printf("%lld %s", (long long)memory_bytes, text);
}

int script_evaluate(json_t **values, const struct script_work *work, struct err *err)
{
    int64_t memory = work->memory_bytes ? work->memory_bytes : MEMORY_DEFAULT;
    AUTO(mem_free) char *request = request_of(work, memory);
    AUTO(str_done) struct str said = {0};
    struct child c = ready;
    char limit[128];
    bool over = false;
    int at;

    ready.pid = 0;
    reap_last();
    if (!c.pid && child_start(&c, err) < 0)
        return -1;
    answer_all(c.request, request);
    child_hear(&c, &said, &over, &at);
    if (said.len && !over && said.s[said.len - 1] == '}') {
        last = c.pid;
        return read_answer(values, &said, work, at, err);
    }
    const char *why = passed_limit(reap(c.pid), over, memory, limit, sizeof limit);
    return blame(err, work, at, why ? why : "it gives no value");
}
