#include "base/log.h"
#include "base/clock.h"
#include "base/str.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static enum log_level max_level = LOG_INFO;
static bool as_json;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char **secrets;
static size_t secret_count;

static const char *const names[] = {"error", "warn", "info", "debug"};

void log_setup(enum log_level level, bool json)
{
    max_level = level;
    as_json = json;
}

void log_mask(const char *secret)
{
    if (!secret || strlen(secret) < 4)
        return;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < secret_count; i++)
        if (!strcmp(secrets[i], secret)) {
            pthread_mutex_unlock(&lock);
            return;
        }
    secrets = mem_realloc(secrets, (secret_count + 1) * sizeof *secrets);
    secrets[secret_count++] = mem_strdup(secret);
    pthread_mutex_unlock(&lock);
}

static void mask(char *text)
{
    for (size_t i = 0; i < secret_count; i++) {
        size_t n = strlen(secrets[i]);

        for (char *hit = text; (hit = strstr(hit, secrets[i]));) {
            memcpy(hit, "****", 4);
            memmove(hit + 4, hit + n, strlen(hit + n) + 1);
        }
    }
}

static void add_chain_text(struct str *b, const struct log *l)
{
    if (!l)
        return;
    add_chain_text(b, l->up);
    str_addf(b, " %s=%s", l->key, l->value);
}

static void add_chain_json(struct str *b, const struct log *l)
{
    if (!l)
        return;
    add_chain_json(b, l->up);
    str_addf(b, ",\"%s\":", l->key);
    str_add_json(b, l->value);
}

void log_write(enum log_level level, const struct log *l, const char *fmt, ...)
{
    AUTO(str_done) struct str b = {0};
    AUTO(mem_free) char *msg = NULL;
    char when[40];
    struct tm tm;
    int64_t now = clock_now_us();
    time_t t = (time_t)(now / SECOND_US);
    va_list ap;

    if (level > max_level)
        return;
    va_start(ap, fmt);
    if (vasprintf(&msg, fmt, ap) < 0)
        msg = NULL;
    va_end(ap);
    if (!msg)
        return;

    gmtime_r(&t, &tm);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);

    pthread_mutex_lock(&lock);
    mask(msg);
    if (as_json) {
        str_addf(&b, "{\"time\":\"%s.%03dZ\",\"level\":\"%s\"", when, (int)(now / 1000 % 1000),
                 names[level]);
        add_chain_json(&b, l);
        str_puts(&b, ",\"msg\":");
        str_add_json(&b, msg);
        str_puts(&b, "}\n");
    } else {
        str_addf(&b, "%s.%03dZ %-5s", when, (int)(now / 1000 % 1000), names[level]);
        add_chain_text(&b, l);
        str_puts(&b, " ");
        for (char *c = msg; *c; c++)
            if ((unsigned char)*c < 0x20 || *c == 0x7f) /* a line is one line, and moves no terminal's cursor */
                *c = ' ';
        str_puts(&b, msg);
        str_putc(&b, '\n');
    }
    fwrite(b.s, 1, b.len, stderr);
    pthread_mutex_unlock(&lock);
}
