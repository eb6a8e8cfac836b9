/* ai.h - services that speak OpenAI's HTTP interface (Ollama, vLLM, llama.cpp, LocalAI ... and
 * OpenAI), and small services with one of their own: where they are, the operator's keys and
 * models, JSON, forms with files, bytes of an answer into a file. Whatever they answer is hostile.
 * For Robots in workcell-transfer only. */
#pragma once
#include "transfer/ai_options.h"
#include "transfer/api.h"

#define AI_KEYS "ai_key" /* for the Robot's record: .keys */

struct ai {
    struct api api;
    const char *base;                 /* address, without a slash at its end */
    const struct ai_service *service; /* as ai_open() was asked for it */
    const char *key;                  /* that is sent as a bearer's; "": none */
};
/* service: "ai" (chat), or one of its own that "ai" stands in for when it has no --endpoint:
 * "vision", "speech", "images", "videos"; or one that nothing stands in for: "translate",
 * "bgremove", "upscale", "copyrightdetect". key: the client's; NULL or "": the operator's for this
 * address, if there is one (a key goes nowhere else). Errors: the Robot's VALIDATION code, naming
 * the setting: there is no such service here. */
MUST_CHECK int ai_open(struct ai *a, struct robot_job *job, const char *service, const char *key,
                       struct err *err);
/* Has it an --endpoint of its own? */
bool ai_is_set(const struct robot_job *job, const char *service);
void ai_done(struct ai a);
DEFINE_AUTO(struct ai, ai_done)

/* A field of a form: text, or the file of an input, which is streamed. */
struct ai_part {
    const char *name, *text;
    const struct robot_input *file; /* when text is NULL */
};
#define AI_PARTS_MAX 32

struct ai_call {
    const char *method; /* NULL: POST when there is a body or a form, else GET */
    const char *path;   /* behind the base: "/chat/completions" */
    const json_t *body; /* lent; or */
    const struct ai_part *parts;
    int part_count;
    size_t most;     /* bytes of an answer in JSON; 0: AI_JSON_MAX */
    const int *fine; /* statuses that are answers as well as 2xx, ended by 0; NULL: none */
};
#define AI_JSON_MAX ((size_t)8 << 20)
#define AI_PICTURES_MAX ((size_t)192 << 20) /* for most, of answers with pictures in base64 */
/* Its answer, an object. A lost connection, 408, 429 and 5xx are tried again (as Retry-After says),
 * a silence of nearly the job's whole time is not. The caller unrefs; NULL with err. */
json_t *ai_call(struct ai *a, const struct ai_call *c, struct err *err);
/* The same answer as it came (api_run()). */
MUST_CHECK int ai_run(struct http_client_response *out, struct ai *a, const struct ai_call *c,
                      struct err *err);
/* POST path with body, which is stolen. */
json_t *ai_json(struct ai *a, const char *path, json_t *body, struct err *err);

#define AI_MIME_MAX 100
/* The bytes of its answer into fd (from where it stands), at most `most` of them. mime: its
 * Content-Type without parameters, "" when it says none; AI_MIME_MAX bytes, or NULL. */
MUST_CHECK int ai_call_to_fd(struct ai *a, const struct ai_call *c, int fd, int64_t most,
                             char *mime, struct err *err);
/* The same of an address that an answer named: through the guard, without any key. */
MUST_CHECK int ai_fetch_to_fd(struct ai *a, const char *url, int fd, int64_t most, char *mime,
                              struct err *err);
/* What a base64 text of an answer holds ("data:...;base64," in front is fine), into fd. At most
 * `most` bytes, and at least one. */
MUST_CHECK int ai_base64_to_fd(struct ai *a, const char *text, int fd, int64_t most,
                               struct err *err);

/* The model to name in a call, lent for the job's life. asked: NULL or "auto": the setting ai_model
 * for this service
 * ("vision" and "translate" have that of "ai" otherwise), else the first that the server lists (GET
 * /models). "vendor/name": so, or "name" when that is how the server lists it. NULL with err. */
const char *ai_model(struct ai *a, const char *asked, struct err *err);
