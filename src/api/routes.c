/* The route table: what is served, who may, what it is called, and what openapi.json says of it. */
#include "api/call.h"
#include "api/openapi.h"
#include "api/routes.h"
#include "base/space.h"
#include "http/reply.h"
#include "upload/upload.h"

static enum http_next root_end(struct http_request *req)
{
    const char *accept = http_header(req, "accept");
    struct str b = {0};

    if (accept && strstr(accept, "text/html")) { /* a person with a browser, not a client */
        struct http_response *r = http_response_new(302);

        http_response_header(r, "Location", "/console/");
        http_response_header(r, "Vary", "Accept");
        http_answer(req, r);
        return HTTP_ANSWERED;
    }
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

static enum http_next preflight_end(struct http_request *req)
{
    reply_preflight(req);
    return HTTP_ANSWERED;
}

static enum http_next openapi_end(struct http_request *req)
{
    size_t count;
    const struct route *routes = app_routes(&count);

    openapi_answer(req, routes, count);
    return HTTP_ANSWERED;
}

static const struct http_handler root = {.end = root_end}, health = {.end = health_end}, ready = {.end = ready_end},
                                 preflight = {.end = preflight_end}, openapi_get = {.end = openapi_end};

#define TEMPLATE_ROUTES(path)                                                                                          \
    {"GET", path, .need = AUTH_SIGNED, .scope = "templates:read", .ok = "TEMPLATE_FOUND", .read = template_get,        \
     .about = {"Templates", "Read a Template", "Template"}},                                                           \
        {"PUT", path, .need = AUTH_SIGNED, .scope = "templates:write", .ok = "TEMPLATE_UPDATED",                       \
         .read = template_check, .write = template_update, .after = template_changed,                                  \
         .about = {"Templates", "Change a Template", "Template", "TemplateParams"}},                                   \
    {                                                                                                                  \
        "DELETE", path, .need = AUTH_SIGNED, .scope = "templates:write", .ok = "TEMPLATE_DELETED",                     \
        .write = template_delete, .after = template_changed, .about = {"Templates", "Delete a Template", "Done"}       \
    }

static const struct route routes[] = {
    {"*", "*", .find = cdn_route},
    {"GET", "/cdn/*", &cdn_get,
     .about = {"Files", "A file made by a Template on request", NULL, NULL,
               "206 302 304 403 404 412 416 429 500 504 507"}},
    {"OPTIONS", "/cdn/*", &cdn_options},
    {"GET", "/ws*", .find = stream_route},
    {"POST", "/ws*", .find = stream_route},
    {"OPTIONS", "/ws*", .find = stream_route},
    {"*", "/companion*", .find = companion_route},
    {"GET", "/", &root,
     .about = {"Server", "Is this such a server; a browser is led to the console", "Root", NULL, "302"}},
    {"GET", "/healthz", &health, .about = {"Server", "Does the process live", "Health"}},
    {"GET", "/readyz", &ready, .about = {"Server", "Does it take work", "Health"}},
    {"GET", "/assemblies", .need = AUTH_SIGNED, .scope = "assemblies:read", .read = assemblies_list, .costly = true,
     .about = {"Assemblies", "List Assemblies", "AssemblyList", "AssemblyListParams"}},
    {"POST", "/assemblies", &assembly_create, .need = AUTH_CREATE, .scope = "assemblies:write",
     .about = {"Assemblies", "Create an Assembly", "AssemblyStatus", "AssemblyParams", "302 413 429 507"}},
    {"POST", "/assemblies/{id}/replay", .need = AUTH_SIGNED, .scope = "assemblies:write", .ok = "ASSEMBLY_REPLAYING",
     .later = assembly_replay, .costly = true,
     .about = {"Assemblies", "Run an Assembly again", "ReplayStarted", "ReplayParams", "413 429 507"}},
    {"POST", "/assemblies/{id}/reserve_file", &assembly_reserve_file,
     .about = {"Assemblies", "Keep a place for a file that lies elsewhere", "AssemblyStatus"}},
    {"POST", "/assemblies/{id}/add_file", &assembly_add_file,
     .about = {"Assemblies", "Fetch a file that lies elsewhere", "AssemblyStatus"}},
    {"POST", "/assemblies/{id}", &assembly_create, .need = AUTH_CREATE, .scope = "assemblies:write",
     .about = {"Assemblies", "Create an Assembly under an id", "AssemblyStatus", "AssemblyParams", "302 413 429 507"}},
    {"PUT", "/assemblies/{id}", &assembly_create, .need = AUTH_CREATE, .scope = "assemblies:write",
     .about = {"Assemblies", "Create an Assembly under an id", "AssemblyStatus", "AssemblyParams", "302 413 429 507"}},
    {"DELETE", "/assemblies/{id}", &assembly_delete, .need = AUTH_CANCEL, .scope = "assemblies:write", .by_get = true,
     .about = {"Assemblies", "Cancel an Assembly", "AssemblyStatus", NULL, "401 403"}},
    {"GET", "/assemblies/{id}", &assembly_get,
     .about = {"Assemblies", "The status of an Assembly", "AssemblyStatus", NULL, "429"}},
    {"GET", "/assemblies/{id}/execution_progress", &assembly_progress_get,
     .about = {"Assemblies", "How far an Assembly is", "ExecutionProgress"}},
    {"GET", "/assemblies/{id}/jobs", .need = AUTH_SIGNED, .scope = "assemblies:read", .ok = "ASSEMBLY_JOBS_FOUND",
     .read = assembly_jobs, .costly = true, .about = {"Assemblies", "Its jobs over time", "AssemblyJobs"}},
    {"GET", "/tmpfiles/*", &files_get, .about = {"Files", "An upload or a result", NULL, NULL, "206 304 404 412 416"}},
    {"HEAD", "/tmpfiles/*", &files_get,
     .about = {"Files", "What an upload or a result is", NULL, NULL, "206 304 404 412 416"}},
    {"POST", "/token", &token_create, .about = {"Auth Keys", "A bearer token", "Token", NULL, "401 403 429"}},
    {"GET", "/templates", .need = AUTH_SIGNED, .scope = "templates:read", .read = templates_list, .costly = true,
     .about = {"Templates", "List Templates", "TemplateList", "PageParams"}},
    {"POST", "/templates", .need = AUTH_SIGNED, .scope = "templates:write", .ok = "TEMPLATE_CREATED",
     .read = template_check, .write = template_create, .after = template_changed,
     .about = {"Templates", "Create a Template", "Template", "TemplateParams"}},
    TEMPLATE_ROUTES("/templates/{name}"),
    TEMPLATE_ROUTES("/templates/builtin/{name}"),
    {"GET", "/template_credentials", .need = AUTH_SIGNED, .scope = "template_credentials:read",
     .ok = "TEMPLATE_CREDENTIALS_FOUND", .read = credentials_list, .costly = true,
     .about = {"Credentials", "List credentials", "CredentialList", "PageParams"}},
    {"POST", "/template_credentials", .need = AUTH_SIGNED, .scope = "template_credentials:write",
     .ok = "TEMPLATE_CREDENTIALS_CREATED", .read = credential_check_params, .write = credential_create,
     .about = {"Credentials", "Keep credentials", "CredentialAnswer", "CredentialParams"}},
    {"GET", "/template_credentials/types", .need = AUTH_SIGNED, .scope = "template_credentials:read",
     .ok = "TEMPLATE_CREDENTIALS_TYPES_FOUND", .read = credential_type_list,
     .about = {"Credentials", "Kinds of credentials", "CredentialTypes"}},
    {"GET", "/template_credentials/{name}", .need = AUTH_SIGNED, .scope = "template_credentials:read",
     .ok = "TEMPLATE_CREDENTIALS_READ", .read = credential_get,
     .about = {"Credentials", "Read credentials", "CredentialAnswer"}},
    {"POST", "/template_credentials/{name}/test", .need = AUTH_SIGNED, .scope = "template_credentials:write",
     .ok = "TEMPLATE_CREDENTIALS_TESTED", .later = credential_test,
     .about = {"Credentials", "Try credentials on the other side", "CredentialTest", .also = "429"}},
    {"PUT", "/template_credentials/{name}", .need = AUTH_SIGNED, .scope = "template_credentials:write",
     .ok = "TEMPLATE_CREDENTIALS_UPDATED", .read = credential_check_params, .write = credential_update,
     .about = {"Credentials", "Change credentials", "CredentialAnswer", "CredentialParams"}},
    {"DELETE", "/template_credentials/{name}", .need = AUTH_SIGNED, .scope = "template_credentials:write",
     .ok = "TEMPLATE_CREDENTIALS_DELETED", .write = credential_delete,
     .about = {"Credentials", "Forget credentials", "Done"}},
    {"GET", "/auth_keys", .need = AUTH_SIGNED, .scope = "auth_keys:read", .ok = "AUTH_KEYS_FOUND",
     .read = auth_keys_list, .about = {"Auth Keys", "List Auth Keys", "AuthKeyList"}},
    {"POST", "/auth_keys", .need = AUTH_SIGNED, .scope = "auth_keys:write", .ok = "AUTH_KEY_CREATED",
     .read = auth_key_check, .write = auth_key_create, .after = auth_key_changed,
     .about = {"Auth Keys", "Make an Auth Key", "AuthKeyAnswer", "AuthKeyParams"}},
    {"GET", "/bill/{month}", .need = AUTH_SIGNED, .scope = "bills:read", .ok = "BILL_FOUND", .read = bill_read,
     .costly = true, .about = {"Account", "Usage of a month", "Bill"}},
    {"GET", "/queues/job_slots", .need = AUTH_SIGNED, .scope = "queues:read", .ok = "PRIORITY_JOB_SLOTS_FOUND",
     .later = job_slots, .about = {"Account", "Job slots in use", "JobSlots"}},
    {"GET", "/queues/work", .need = AUTH_SIGNED, .scope = "queues:read", .ok = "WORK_FOUND", .later = queues_work,
     .about = {"Account", "Workers and queues", "Work"}},
    {"POST", "/instructions/check", .need = AUTH_SIGNED, .scope = NULL, .ok = "INSTRUCTIONS_CHECKED",
     .read = instructions_check, .costly = true,
     .about = {"Templates", "Check instructions", "InstructionsChecked", "CheckParams"}},
    {"GET", "/robots", &robots_get, .about = {"Server", "The Robots and their parameters", "RobotList"}},
    {"GET", "/console", &console_enter, .about = {"Server", "To the console", NULL, NULL, "301"}},
    {"GET", "/console/*", &console_get, .about = {"Server", "The console", NULL, NULL, "304 404"}},
    {"HEAD", "/console/*", &console_get, .about = {"Server", "The console", NULL, NULL, "304 404"}},
    {"GET", "/auth_keys/scopes", .need = AUTH_SIGNED, .scope = "auth_keys:read", .ok = "AUTH_KEY_SCOPES_FOUND",
     .read = auth_key_scopes, .about = {"Auth Keys", "What a key may be allowed", "ScopeList"}},
    {"POST", "/auth_keys/show_secret/{id}", .need = AUTH_SIGNED, .scope = "auth_keys:write",
     .ok = "AUTH_SECRET_RETRIEVED", .read = auth_key_secret, .about = {"Auth Keys", "A key's secret", "AuthSecret"}},
    {"PUT", "/auth_keys/{id}", .need = AUTH_SIGNED, .scope = "auth_keys:write", .ok = "AUTH_KEY_UPDATED",
     .read = auth_key_check, .write = auth_key_update, .after = auth_key_changed,
     .about = {"Auth Keys", "Change an Auth Key", "AuthKeyAnswer", "AuthKeyParams"}},
    {"DELETE", "/auth_keys/{id}", .need = AUTH_SIGNED, .scope = "auth_keys:write", .ok = "AUTH_KEY_DELETED",
     .write = auth_key_delete, .after = auth_key_deleted, .about = {"Auth Keys", "Delete an Auth Key", "Done"}},
    {"POST", "/assembly_notifications/{id}/replay", .need = AUTH_SIGNED, .scope = "assemblies:write",
     .ok = "ASSEMBLY_NOTIFICATION_REPLAYED", .read = notification_wake, .write = notification_replay,
     .about = {"Notifications", "Send a notification again", "NotificationReplayed", "NotificationReplayParams"}},
    {"GET", "/assembly_notifications/{id}", .need = AUTH_SIGNED, .scope = "assemblies:read", .read = notifications_list,
     .costly = true,
     .about = {"Notifications", "Attempts of an Assembly's notifications", "NotificationList",
               "NotificationListParams"}},
    {"GET", "/assembly_notifications", .need = AUTH_SIGNED, .scope = "assemblies:read", .read = notifications_list,
     .costly = true,
     .about = {"Notifications", "Attempts of all notifications", "NotificationList", "NotificationListParams"}},
    {"GET", "/openapi.json", &openapi_get, .about = {"Server", "This description"}},
    {"OPTIONS", "/resumable/files*", &tus_options, .of_uploads = true, .about = {"Uploads", "What of tus is spoken"}},
    {"POST", "/resumable/files", &tus_create, .of_uploads = true,
     .about = {"Uploads", "Begin an upload", NULL, NULL, "201 400 404 410 412 413 423 460 503 507"}},
    {"POST", "/resumable/files/", &tus_create, .of_uploads = true,
     .about = {"Uploads", "Begin an upload", NULL, NULL, "201 400 404 410 412 413 423 460 503 507"}},
    {"HEAD", "/resumable/files/{id}", &tus_head, .of_uploads = true,
     .about = {"Uploads", "How much of it has come", NULL, NULL, "404 410 412 423 503 507"}},
    {"PATCH", "/resumable/files/{id}", &tus_patch, .of_uploads = true,
     .about = {"Uploads", "Send bytes", NULL, NULL, "204 400 403 404 409 410 412 413 423 460 503 507"}},
    {"DELETE", "/resumable/files/{id}", &tus_delete, .of_uploads = true,
     .about = {"Uploads", "Give an upload up", NULL, NULL, "204 404 410 412 503"}},
    {"GET", "/resumable/files/{id}", &tus_refuse, .of_uploads = true,
     .about = {"Uploads", "Not served", NULL, NULL, "405"}},
    /* what is no id: tus answers for its own paths, in its own manner */
    {"HEAD", "/resumable/files/*", &tus_head, .of_uploads = true},
    {"PATCH", "/resumable/files/*", &tus_patch, .of_uploads = true},
    {"DELETE", "/resumable/files/*", &tus_delete, .of_uploads = true},
    {"POST", "/resumable/files/*", &tus_refuse, .of_uploads = true},
    {"PUT", "/resumable/files/*", &tus_refuse, .of_uploads = true},
    {"OPTIONS", "*", &preflight, .about = {"Server", "Preflight of a browser"}},
};

const struct route *app_routes(size_t *count)
{
    *count = ARRAY_LEN(routes);
    return routes;
}
