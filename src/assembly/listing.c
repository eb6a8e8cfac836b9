#include "assembly/listing.h"
#include "base/clock.h"

#include <limits.h>
#include <locale.h>
#include <pthread.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#define MAX_SEARCH (64 << 10) /* bytes: fields may be megabytes */

static const char *const type_names[] = {"all",       "uploading", "executing",      "canceled",
                                         "completed", "failed",    "request_aborted"};

enum listing_type listing_type_by_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(type_names); i++)
        if (!strcmp(type_names[i], name))
            return (enum listing_type)i;
    return (enum listing_type) - 1;
}

enum listing_type listing_type(const struct assembly *a)
{
    switch (a->state) {
    case ASSEMBLY_NEW:
    case ASSEMBLY_UPLOADING:
        return LISTING_UPLOADING;
    case ASSEMBLY_EXECUTING:
        return LISTING_EXECUTING;
    case ASSEMBLY_COMPLETED:
        return LISTING_COMPLETED;
    case ASSEMBLY_CANCELED:
        return LISTING_CANCELED;
    case ASSEMBLY_ABORTED:
        return LISTING_ABORTED;
    case ASSEMBLY_FAILED:
        return LISTING_FAILED;
    }
    return LISTING_ALL;
}

struct listing_figures listing_figures(const struct assembly *a)
{
    int64_t received = a->body_bytes + a->tus_received,
            expected = assembly_bytes_expected(a);

    return (struct listing_figures){
        .created_us = a->created_us,
        .uploaded_us = a->uploaded_us,
        .execution_us = a->execution_us,
        .ended_us = a->ended_us,
        .bytes_usage = a->bytes_usage,
        .bytes_received = received,
        .bytes_expected = expected > received ? expected : received,
        .warnings = (int)json_array_size(a->warnings),
        .input_files = a->upload_count + a->import_count,
    };
}

static void set_seconds(json_t *o, const char *name, int64_t from_us, int64_t to_us)
{
    int64_t ms = to_us > from_us ? (to_us - from_us) / 1000 : 0;

    json_object_set_new(o, name, from_us ? json_real((double)ms / 1000) : json_null());
}

static void set_date(json_t *o, const char *name, int64_t at_us)
{
    char text[25];

    if (at_us)
        date_format_iso(text, at_us);
    json_object_set_new(o, name, at_us ? json_string(text) : json_null());
}

void listing_set_figures(json_t *o, const struct listing_figures *f, int64_t now_us)
{
    int64_t end = f->ended_us ? f->ended_us : now_us;

    json_object_set_new(o, "warning_count", json_integer(f->warnings));
    json_object_set_new(o, "num_input_files", json_integer(f->input_files));
    json_object_set_new(o, "bytes_usage", json_integer(f->bytes_usage));
    json_object_set_new(o, "bytes_received", json_integer(f->bytes_received));
    json_object_set_new(o, "bytes_expected", json_integer(f->bytes_expected));
    set_seconds(o, "upload_duration", f->created_us, f->uploaded_us ? f->uploaded_us : end);
    set_seconds(o, "execution_duration", f->execution_us, end);
    set_date(o, "execution_start", f->execution_us);
}

static void set_files(json_t *o, const struct assembly *a)
{
    AUTO(json_unref) json_t *list = json_array();

    for (int i = 0; i < a->file_count; i++) {
        const struct file *f = a->files[i];

        if (file_is_original(f))
            json_array_append_new(list, json_pack("{s:o,s:I,s:s?,s:s?,s:o}", "name",
                                                  jstring(f->name), "size", (json_int_t)f->size,
                                                  "mime", f->mime, "type", f->type, "field",
                                                  f->field ? jstring(f->field) : json_null()));
    }
    AUTO(mem_free) char *text = json_array_size(list) ? json_text(list) : NULL;
    json_object_set_new(o, "files", text ? json_string(text) : json_null());
}

static void set_text(json_t *o, const char *name, const char *value)
{
    json_object_set_new(o, name, value ? jstring(value) : json_null());
}

json_t *listing_item(const struct assembly *a, const char *instance, const char *region, int64_t now_us)
{
    json_t *o = json_object();
    const struct created *c = &a->begun;
    struct listing_figures f = listing_figures(a);
    bool failed = a->state == ASSEMBLY_FAILED;

    set_text(o, "id", a->id);
    set_text(o, "parent_id", c->parent_id);
    set_text(o, "account_id", a->workspace);
    set_text(o, "template_id", c->template_id);
    set_text(o, "template_name", c->template_name);
    set_text(o, "instance", instance);
    set_text(o, "region", region);
    set_text(o, "notify_url", c->notify_url);
    set_text(o, "redirect_url", c->redirect_url);
    set_files(o, a);
    listing_set_figures(o, &f, now_us);
    set_date(o, "created", a->created_us);
    json_object_set_new(o, "created_ts", json_integer(a->created_us / SECOND_US));
    set_text(o, "ok", failed ? NULL : assembly_code(a));
    set_text(o, "error", failed ? assembly_code(a) : NULL);
    return o;
}

/* towlower() of the process's own locale would know ASCII only. */
static locale_t unicode_locale;
static void open_unicode(void)
{
    unicode_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

static locale_t unicode(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, open_unicode);
    return unicode_locale;
}

char *listing_fold(const char *text)
{
    struct str b = {0};
    locale_t l = unicode(), before = l ? uselocale(l) : (locale_t)0;
    size_t left = strlen(text);
    mbstate_t in = {0}, out = {0};
    char bytes[MB_LEN_MAX];
    wchar_t wide;

    while (left) {
        if (*text > 0) { /* ASCII is most of it */
            str_putc(&b, (char)(*text >= 'A' && *text <= 'Z' ? *text | 0x20 : *text));
            text++;
            left--;
            continue;
        }
        size_t n = mbrtowc(&wide, text, left, &in), m;

        if (n == (size_t)-1 || n == (size_t)-2) {
            in = (mbstate_t){0};
            str_putc(&b, *text++);
            left--;
            continue;
        }
        n = n ? n : 1;
        if ((m = wcrtomb(bytes, (wchar_t)towlower((wint_t)wide), &out)) != (size_t)-1)
            str_add(&b, bytes, m);
        text += n;
        left -= n;
    }
    if (l)
        uselocale(before);
    return str_take(&b);
}

static void add_line(struct str *b, const char *text)
{
    if (!text || b->len + strlen(text) > MAX_SEARCH)
        return;
    str_puts(b, text);
    str_putc(b, '\n');
}

char *listing_search(const struct assembly *a)
{
    AUTO(str_done) struct str b = {0};
    AUTO(mem_free) char *fields = json_object_size(a->fields) ? json_text(a->fields) : NULL;

    add_line(&b, a->id);
    add_line(&b, a->begun.redirect_url);
    add_line(&b, a->begun.notify_url);
    if (a->state == ASSEMBLY_FAILED)
        add_line(&b, assembly_code(a));
    add_line(&b, assembly_message(a));
    add_line(&b, fields);
    for (int i = 0; i < a->file_count; i++)
        if (file_is_original(a->files[i]))
            add_line(&b, a->files[i]->name);
    return listing_fold(b.s ? b.s : "");
}
