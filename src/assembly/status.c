/* The Assembly Status document, in pieces (api-status.md). A file's JSON is rendered when it changes and
 * never otherwise; whoever serves the document only joins pieces. */
#include "assembly/assembly.h"
#include "assembly/variables.h"
#include "base/clock.h"

#include <inttypes.h>
#include <string.h>

static void put_text(struct str *b, const char *name, const char *value)
{
    str_add_json_key(b, name);
    str_add_json(b, value);
}

static void put_int(struct str *b, const char *name, int64_t v)
{
    str_add_json_key(b, name);
    str_add_int(b, v);
}

static void put_bool(struct str *b, const char *name, bool v)
{
    str_add_json_key(b, name);
    str_puts(b, v ? "true" : "false");
}

static void put_json(struct str *b, const char *name, const json_t *v)
{
    str_add_json_key(b, name);
    str_add_json_value(b, v);
}

static void put_raw(struct str *b, const char *name, const char *json)
{
    str_add_json_key(b, name);
    str_puts(b, json);
}

static void put_date(struct str *b, const char *name, int64_t at_us)
{
    char text[DATE_LEN + 1];

    if (at_us)
        date_format(text, at_us);
    put_text(b, name, at_us ? text : NULL);
}

/* Seconds with at most `digits` decimals, without trailing zeros. */
static void put_seconds(struct str *b, const char *name, int64_t us, int digits)
{
    char text[40];

    if (us <= 0) {
        put_raw(b, name, "0");
        return;
    }
    snprintf(text, sizeof text, "%.*f", digits, (double)us / 1e6);
    for (size_t n = strlen(text); n && strchr(text, '.') && (text[n - 1] == '0' || text[n - 1] == '.');)
        if (text[--n] == '.') {
            text[n] = 0;
            break;
        } else {
            text[n] = 0;
        }
    put_raw(b, name, text);
}

static char *temp_url(const struct assembly *a, const struct file *f)
{
    struct str b = {0};

    str_addf(&b, "%s/tmpfiles/%.2s/%s/", a->base_url, f->id, f->id + 2);
    str_add_urlencoded(&b, f->name, "");
    return str_take(&b);
}

char *status_file(const struct assembly *a, const struct file *f, bool as_upload)
{
    struct str b = {0};
    AUTO(mem_free) char *temp = temp_url(a, f);
    const char *extra_key;
    json_t *extra;

    str_room(&b, 2047);
    str_putc(&b, '{');
    put_text(&b, "id", f->id);
    put_text(&b, "name", f->name);
    put_text(&b, "basename", f->basename);
    put_text(&b, "ext", f->ext);
    put_int(&b, "size", f->size);
    put_text(&b, "mime", f->mime);
    put_text(&b, "type", f->type && *f->type ? f->type : NULL);
    put_text(&b, "field", f->field);
    put_text(&b, "md5hash", f->md5);
    if (json_array_size(f->original_ids) == 1)
        put_json(&b, "original_id", json_array_get(f->original_ids, 0));
    else
        put_json(&b, "original_id", f->original_ids);
    put_text(&b, "original_basename", f->original_basename);
    put_text(&b, "original_name", f->original_name);
    put_text(&b, "original_path", f->original_path);
    put_text(&b, "original_md5hash", f->original_md5);
    put_bool(&b, "from_batch_import", f->from_batch_import);
    put_bool(&b, "is_tus_file", as_upload && f->is_tus);
    put_text(&b, "tus_upload_url", as_upload ? f->tus_url : NULL);
    put_text(&b, "url", f->url ? f->url : temp);
    /* a store that says "" has no such address */
    put_text(&b, "ssl_url", !f->ssl_url ? f->url ? f->url : temp : *f->ssl_url ? f->ssl_url : NULL);
    put_bool(&b, "is_temp_url", !f->url);
    if (f->user_meta && json_object_size(f->user_meta))
        put_json(&b, "user_meta", f->user_meta);
    json_object_foreach (f->extra, extra_key, extra)
        put_json(&b, extra_key, extra);
    if (!as_upload) {
        put_int(&b, "cost", f->cost);
        put_seconds(&b, "execTime", f->exec_us, 2);
        put_seconds(&b, "exec_time", f->exec_us, 2);
        put_text(&b, "queue", f->batch ? "batch" : "live");
        put_seconds(&b, "queueTime", f->queue_us, 2);
        put_seconds(&b, "queue_time", f->queue_us, 2);
    }
    put_json(&b, "meta", f->meta);
    str_putc(&b, '}');
    return str_take(&b);
}

char *status_tus(const struct tus_upload *u)
{
    struct str b = {0};

    if (u->removed)
        return mem_strdup("");
    str_putc(&b, '{');
    put_text(&b, "filename", u->filename);
    put_text(&b, "fieldname", u->fieldname);
    if (u->user_meta && json_object_size(u->user_meta))
        put_json(&b, "user_meta", u->user_meta);
    put_int(&b, "size", u->size >= 0 ? u->size : 0); /* a number, always: the SDK checks that */
    put_int(&b, "offset", u->offset);
    put_bool(&b, "finished", u->finished);
    put_text(&b, "upload_url", u->url);
    str_putc(&b, '}');
    return str_take(&b);
}

char *status_job(const struct assembly *a, const struct job *j)
{
    return mem_printf("%s::%s", a->in->steps[j->step].name,
                      j->source >= 0 ? a->in->steps[j->source].name : "");
}

/* Lower-case letters, digits and single dashes; what is none of them becomes a dash. */
static char *slug_of(const char *name)
{
    struct str b = {0};

    for (; *name; name++) {
        char c = *name >= 'A' && *name <= 'Z' ? (char)(*name - 'A' + 'a') : *name;

        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
            str_putc(&b, c);
        else if (b.len && b.s[b.len - 1] != '-')
            str_putc(&b, '-');
    }
    if (b.len && b.s[b.len - 1] == '-')
        b.s[--b.len] = 0;
    return str_take(&b);
}

/* path and id are plain text; the base may come from a client's Host. */
static void put_url(struct str *b, const char *name, const struct assembly *a, const char *path, const char *id)
{
    put_text(b, name, a->base_url);
    b->len--; /* its closing quote */
    str_puts(b, path);
    str_puts(b, id);
    str_putc(b, '"');
}

char *status_fixed(const struct assembly *a, const char *instance, const char *region,
                   const char *build_id)
{
    struct str b = {0};
    const struct created *c = &a->begun;

    str_room(&b, 2047);
    put_text(&b, "assembly_id", a->id);
    put_text(&b, "parent_id", c->parent_id);
    put_text(&b, "account_id", a->workspace);
    const char *account = c->account_name ? c->account_name : "";
    AUTO(mem_free) char *slug = slug_of(account);
    put_text(&b, "account_name", *account ? account : NULL);
    put_text(&b, "account_slug", *slug ? slug : NULL);
    put_text(&b, "api_auth_key_id", a->key_id);
    put_text(&b, "template_id", c->template_id);
    put_text(&b, "template_name", c->template_name);
    put_text(&b, "instance", instance);
    put_text(&b, "region", region);
    put_url(&b, "assembly_url", a, "/assemblies/", a->id);
    put_url(&b, "assembly_ssl_url", a, "/assemblies/", a->id);
    put_url(&b, "uppyserver_url", a, "/companion/", "");
    put_url(&b, "companion_url", a, "/companion/", "");
    put_url(&b, "websocket_url", a, "/ws20001", "");
    put_url(&b, "update_stream_url", a, "/ws20001?assembly=", a->id);
    put_url(&b, "tus_url", a, "/resumable/files/", "");
    put_text(&b, "usage_tags", c->usage_tags ? c->usage_tags : "");
    put_text(&b, "client_agent", NULL);
    put_text(&b, "client_ip", NULL);
    put_text(&b, "client_referer", NULL);
    put_text(&b, "transloadit_client", c->client);
    put_date(&b, "start_date", a->created_us);
    put_text(&b, "notify_url", c->notify_url);
    put_text(&b, "parent_assembly_status", NULL);
    put_text(&b, "params", c->params);
    put_text(&b, "template", c->template_params);
    put_text(&b, "merged_params", c->merged_params);
    put_text(&b, "build_id", build_id);
    return str_take(&b);
}

/* How a tool ended that was started for the job. */
static void put_exit(struct str *b, int exited)
{
    const char *signal = exited < 0 ? sigabbrev_np(-exited) : NULL;
    AUTO(mem_free) char *name = mem_printf("SIG%s", signal ? signal : "");

    if (exited > 0)
        put_int(b, "exitCode", exited);
    if (signal)
        put_text(b, "exitSignal", name);
}

static void put_failure(struct str *b, const struct assembly *a)
{
    put_text(b, "reason", a->error->msg);
    if (a->error_step)
        put_text(b, "step", a->error_step);
    if (a->error_previous)
        put_text(b, "previousStep", a->error_previous);
    if (a->error->detail[0])
        put_text(b, "stderr", a->error->detail);
    put_exit(b, a->error->exited);
    if (a->error->is_private_address)
        put_bool(b, "is_private_address", true);
    if (a->error->virus[0])
        put_text(b, "virusname", a->error->virus);
    if (a->error->url[0])
        put_text(b, "url", a->error->url);
    if (a->error->url_host[0])
        put_text(b, "url_host", a->error->url_host);
    if (a->error->browser_code[0])
        put_text(b, "playwright_error_code", a->error->browser_code);
}

char *status_head(const struct assembly *a)
{
    struct str b = {0}, jobs = {0};
    int64_t received = a->body_bytes + a->tus_received;
    int64_t expected = assembly_bytes_expected(a);
    bool failed = a->state == ASSEMBLY_FAILED;

    str_room(&b, 1023);
    put_text(&b, failed ? "error" : "ok", assembly_code(a));
    put_text(&b, "message", assembly_message(a));
    if (failed)
        put_failure(&b, a);
    put_int(&b, "bytes_received", received);
    put_int(&b, "bytes_expected", expected > received ? expected : received);
    put_int(&b, "bytes_usage", a->bytes_usage);
    put_bool(&b, "upload_meta_data_extracted", a->meta_extracted);
    put_json(&b, "warnings", a->warnings);
    put_bool(&b, "is_infinite", a->is_infinite);
    put_bool(&b, "has_dupe_jobs", a->has_dupe_jobs);
    put_date(&b, "execution_start", a->execution_us);
    put_seconds(&b, "queue_duration", a->first_job_us ? a->first_job_us - a->created_us : 0, 3);
    put_seconds(&b, "jobs_queue_duration", a->jobs_queue_us, 3);
    put_date(&b, "last_job_completed", a->last_job_us);

    static const char *const notify_keys[] = {"notify_start",         "notify_status",
                                              "notify_response_code", "notify_response_data",
                                              "notify_error",         "notify_duration"};
    for (size_t i = 0; i < ARRAY_LEN(notify_keys); i++)
        put_json(&b, notify_keys[i], json_object_get(a->notify, notify_keys[i]));

    put_json(&b, "fields", a->fields);
    str_putc(&jobs, '[');
    for (int i = 0; i < a->running_count && !assembly_is_over(a); i++) {
        const struct job *j = a->jobs[a->running[i]];
        AUTO(mem_free) char *name = NULL;

        if (job_is_hidden(j))
            continue;
        name = status_job(a, j);
        if (jobs.len > 1)
            str_putc(&jobs, ',');
        str_add_json(&jobs, name);
    }
    str_putc(&jobs, ']');
    put_raw(&b, "running_jobs", jobs.s);
    put_raw(&b, "executing_jobs", jobs.s);
    str_done(jobs);
    put_int(&b, "num_input_files", a->upload_count + a->import_count);
    put_int(&b, "expected_tus_uploads", a->expected_uploads);
    put_int(&b, "started_tus_uploads", a->started_uploads);
    put_int(&b, "finished_tus_uploads", a->finished_uploads);
    put_int(&b, "ignored_error_count", a->ignored_count);
    if (a->cancel)
        put_json(&b, "cancel", a->cancel);
    return str_take(&b);
}
