/* The route table, and what every handler may ask. */
#include "api/call.h"
#include "api/notifications.h"
#include "base/id.h"

#include <string.h>

struct app *app_of(struct http_request *req) { return http_ctx(req); }
struct uploads *app_uploads(struct http_request *req) { return app_of(req)->uploads; }

char *app_base_url(struct http_request *req)
{
    struct app *app = app_of(req);
    const char *host = http_header(req, "Host"), *scheme = "http";

    if (*app->config->public_url) {
        char *url = mem_strdup(app->config->public_url);

        while (*url && url[strlen(url) - 1] == '/')
            url[strlen(url) - 1] = 0;
        return url;
    }
    if (app->config->trust_forwarded) {
        const char *h = http_header(req, "X-Forwarded-Host"), *p = http_header(req, "X-Forwarded-Proto");

        if (h)
            host = h;
        if (p && !strcmp(p, "https"))
            scheme = "https";
    }
    if (!host || strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]_") !=
                     strlen(host))
        return mem_printf("%s://127.0.0.1:%d", scheme, app->port);
    return mem_printf("%s://%s", scheme, host);
}

static enum http_next root_end(struct http_request *req)
{
    struct str b = {0};

    str_puts(&b, "{\"ok\":\"SERVER_ROOT\",\"http_code\":200,\"hostname\":");
    str_add_json(&b, app_of(req)->instance);
    str_putc(&b, '}');
    reply_json(req, 200, str_take(&b));
    return HTTP_ANSWERED;
}

static enum http_next health_end(struct http_request *req)
{
    reply_json(req, 200, mem_strdup("{\"ok\":\"HEALTHY\"}"));
    return HTTP_ANSWERED;
}

static enum http_next ready_end(struct http_request *req)
{
    struct app *app = app_of(req);
    struct err err;

    if (!conductor_is_ready(app->conductor) || app->draining)
        err_set(&err, ERR_BUSY, "The server is starting or shutting down.");
    else if (space_check(&app->space, 0, &err) == 0) {
        reply_json(req, 200, mem_strdup("{\"ok\":\"READY\"}"));
        return HTTP_ANSWERED;
    }
    err.code = ERR_BUSY; /* 503 is what load balancers look for */
    reply_error(req, &err, NULL);
    return HTTP_ANSWERED;
}

static enum http_next not_found_end(struct http_request *req)
{
    struct err err;

    err_set(&err, ERR_NOT_FOUND, "There is nothing at %.200s", http_path(req));
    reply_error(req, &err, NULL);
    return HTTP_ANSWERED;
}

static enum http_next bad_escape_end(struct http_request *req)
{
    struct err err;

    err_set(&err, ERR_URL_ENCODING, "The address holds a malformed percent escape");
    reply_error(req, &err, NULL);
    return HTTP_ANSWERED;
}

static enum http_next preflight_end(struct http_request *req)
{
    reply_preflight(req);
    return HTTP_ANSWERED;
}

static const struct http_handler root = {.end = root_end}, health = {.end = health_end},
                                 ready = {.end = ready_end}, not_found = {.end = not_found_end},
                                 bad_escape = {.end = bad_escape_end}, preflight = {.end = preflight_end};

#define TEMPLATE_ROUTES(path)                                                                                        \
    {"GET", path, .need = AUTH_SIGNED, .scope = "templates:read", .ok = "TEMPLATE_FOUND", .read = template_get},     \
        {"PUT", path, .need = AUTH_SIGNED, .scope = "templates:write", .ok = "TEMPLATE_UPDATED",                     \
         .read = template_check, .write = template_update},                                                          \
    {                                                                                                                \
        "DELETE", path, .need = AUTH_SIGNED, .scope = "templates:write", .ok = "TEMPLATE_DELETED",                   \
        .write = template_delete                                                                                     \
    }

static const struct route routes[] = {
    {"GET", "/", &root},
    {"GET", "/healthz", &health},
    {"GET", "/readyz", &ready},
    {"GET", "/assemblies", .need = AUTH_SIGNED, .scope = "assemblies:read", .read = assemblies_list},
    {"POST", "/assemblies", &assembly_create},
    {"POST", "/assemblies/{id}/replay", .need = AUTH_SIGNED, .scope = "assemblies:write", .ok = "ASSEMBLY_REPLAYING",
     .later = assembly_replay},
    {"POST", "/assemblies/{id}/reserve_file", &assembly_reserve_file},
    {"POST", "/assemblies/{id}/add_file", &assembly_add_file},
    {"POST", "/assemblies/{id}", &assembly_create},
    {"PUT", "/assemblies/{id}", &assembly_create},
    {"GET", "/assemblies/{id}", &assembly_get},
    {"GET", "/assemblies/{id}/execution_progress", &assembly_progress_get},
    {"GET", "/assemblies/{id}/jobs", .need = AUTH_SIGNED, .scope = "assemblies:read", .ok = "ASSEMBLY_JOBS_FOUND",
     .read = assembly_jobs},
    {"DELETE", "/assemblies/{id}", &assembly_delete},
    {"GET", "/tmpfiles/*", &files_get},
    {"HEAD", "/tmpfiles/*", &files_get},
    {"POST", "/token", &token_create},
    {"GET", "/templates", .need = AUTH_SIGNED, .scope = "templates:read", .read = templates_list},
    {"POST", "/templates", .need = AUTH_SIGNED, .scope = "templates:write", .ok = "TEMPLATE_CREATED",
     .read = template_check, .write = template_create},
    TEMPLATE_ROUTES("/templates/{name}"),
    TEMPLATE_ROUTES("/templates/builtin/{name}"),
    {"GET", "/template_credentials", .need = AUTH_SIGNED, .scope = "template_credentials:read",
     .ok = "TEMPLATE_CREDENTIALS_FOUND", .read = credentials_list},
    {"POST", "/template_credentials", .need = AUTH_SIGNED, .scope = "template_credentials:write",
     .ok = "TEMPLATE_CREDENTIALS_CREATED", .read = credential_check_params, .write = credential_create},
    {"GET", "/template_credentials/types", .need = AUTH_SIGNED, .scope = "template_credentials:read",
     .ok = "TEMPLATE_CREDENTIALS_TYPES_FOUND", .read = credential_type_list},
    {"GET", "/template_credentials/{name}", .need = AUTH_SIGNED, .scope = "template_credentials:read",
     .ok = "TEMPLATE_CREDENTIALS_READ", .read = credential_get},
    {"PUT", "/template_credentials/{name}", .need = AUTH_SIGNED, .scope = "template_credentials:write",
     .ok = "TEMPLATE_CREDENTIALS_UPDATED", .read = credential_check_params, .write = credential_update},
    {"DELETE", "/template_credentials/{name}", .need = AUTH_SIGNED, .scope = "template_credentials:write",
     .ok = "TEMPLATE_CREDENTIALS_DELETED", .write = credential_delete},
    {"GET", "/auth_keys", .need = AUTH_SIGNED, .scope = "auth_keys:read", .ok = "AUTH_KEYS_FOUND",
     .read = auth_keys_list},
    {"POST", "/auth_keys", .need = AUTH_SIGNED, .scope = "auth_keys:write", .ok = "AUTH_KEY_CREATED",
     .read = auth_key_check, .write = auth_key_create, .after = auth_key_changed},
    {"GET", "/bill/{month}", .need = AUTH_SIGNED, .scope = "bills:read", .ok = "BILL_FOUND", .read = bill_read},
    {"GET", "/queues/job_slots", .need = AUTH_SIGNED, .scope = "queues:read", .ok = "PRIORITY_JOB_SLOTS_FOUND",
     .later = job_slots},
    {"GET", "/queues/work", .need = AUTH_SIGNED, .scope = "queues:read", .ok = "WORK_FOUND", .later = queues_work},
    {"POST", "/instructions/check", .need = AUTH_SIGNED, .scope = NULL, .ok = "INSTRUCTIONS_CHECKED",
     .read = instructions_check},
    {"GET", "/robots", &robots_get},
    {"GET", "/console", &console_enter},
    {"GET", "/console/*", &console_get},
    {"HEAD", "/console/*", &console_get},
    {"GET", "/auth_keys/scopes", .need = AUTH_SIGNED, .scope = "auth_keys:read", .ok = "AUTH_KEY_SCOPES_FOUND",
     .read = auth_key_scopes},
    {"POST", "/auth_keys/show_secret/{id}", .need = AUTH_SIGNED, .scope = "auth_keys:write",
     .ok = "AUTH_SECRET_RETRIEVED", .read = auth_key_secret},
    {"PUT", "/auth_keys/{id}", .need = AUTH_SIGNED, .scope = "auth_keys:write", .ok = "AUTH_KEY_UPDATED",
     .read = auth_key_check, .write = auth_key_update, .after = auth_key_changed},
    {"DELETE", "/auth_keys/{id}", .need = AUTH_SIGNED, .scope = "auth_keys:write", .ok = "AUTH_KEY_DELETED",
     .write = auth_key_delete, .after = auth_key_deleted},
    {"POST", "/assembly_notifications/{id}/replay", .need = AUTH_SIGNED, .scope = "assemblies:write",
     .ok = "ASSEMBLY_NOTIFICATION_REPLAYED", .write = notification_replay},
    {"GET", "/assembly_notifications/{id}", .need = AUTH_SIGNED, .scope = "assemblies:read",
     .read = notifications_list},
    {"GET", "/assembly_notifications", .need = AUTH_SIGNED, .scope = "assemblies:read", .read = notifications_list},
    {"OPTIONS", "/resumable/files*", &tus_options},
    {"POST", "/resumable/files", &tus_create},
    {"POST", "/resumable/files/", &tus_create},
    {"HEAD", "/resumable/files/{id}", &tus_head},
    {"PATCH", "/resumable/files/{id}", &tus_patch},
    {"DELETE", "/resumable/files/{id}", &tus_delete},
    {"GET", "/resumable/files/{id}", &tus_refuse},
    {"OPTIONS", "*", &preflight},
};

/* Matches path against pattern; fills path arguments. */
static bool matches(struct http_request *req, const char *pattern, const char *path)
{
    int arg = 0;

    for (; *pattern; pattern++) {
        if (*pattern == '*' && !pattern[1])
            return true;
        if (*pattern == '{') {
            size_t n = strcspn(path, "/");
            AUTO(mem_free) char *part = mem_strndup(path, n);

            if (!n || (str_starts(pattern, "{id}") && !id_valid(part)))
                return false;
            http_set_path_arg(req, arg++, part);
            path += n;
            pattern = strchr(pattern, '}');
        } else if (*pattern != *path++) {
            return false;
        }
    }
    return !*path;
}

const struct http_handler *app_route(struct http_request *req, void *ctx)
{
    const char *method = http_method(req), *path = http_path(req);

    const struct http_handler *other;

    (void)ctx;
    if (http_query_bad(req))
        return &bad_escape;
    if ((other = stream_route(req)) || (other = companion_route(req)))
        return other;
    for (size_t i = 0; i < ARRAY_LEN(routes); i++)
        if ((*routes[i].method == '*' || !strcmp(routes[i].method, method)) &&
            matches(req, routes[i].pattern, path)) {
            if (routes[i].handler)
                return routes[i].handler;
            http_set_data(req, (void *)&routes[i]);
            return &call_handler;
        }
    /* tus answers for its own paths, in its own manner */
    if (str_starts(path, "/resumable/files/") && strcmp(method, "GET")) {
        http_set_path_arg(req, 0, "");
        return !strcmp(method, "PATCH")    ? &tus_patch
               : !strcmp(method, "HEAD")   ? &tus_head
               : !strcmp(method, "DELETE") ? &tus_delete
                                           : &tus_refuse;
    }
    return &not_found;
}
