/* /ai/chat: a question to a language model, about files or not. */
#include "transfer/ai_chat.h"
#include "transfer/ai_schema.h"

#include <string.h>

#define MESSAGES_MAX 1000
#define FILES_MAX 50 /* of a bundle */

enum chat_format { CHAT_JSON, CHAT_TEXT, CHAT_META };
enum chat_share { CHAT_LAST, CHAT_ALL };

struct chat_keys {
    const char *openai, *anthropic, *deepseek, *google, *xai;
};
struct chat_opts {
    const char *model, *schema, *system_message, *reasoning_effort, *provider;
    struct chat_keys keys;
    json_t *messages, *credentials;
    int format, return_messages; /* enums */
    bool test_credentials;
};
#define T struct chat_opts
static const struct opt_choice chat_shares[] = {{"all", CHAT_ALL}, {"last", CHAT_LAST}, {0}};
static const struct opt_choice chat_formats[] = {
    {"json", CHAT_JSON}, {"text", CHAT_TEXT}, {"meta", CHAT_META}, {0}};
#define CHAT_KEY(n, field, whose)                                                                  \
    {                                                                                              \
        .name = n, .type = OPT_TYPE_STR, .offset = offsetof(T, keys.field), .secret = true,        \
        .help = "Key for models of " whose ". Belongs into stored credentials."                    \
    }
static const struct option options[] = {
    OPT_STR(T, model, .def_str = "auto", .pattern = "^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,199}$",
            .example = "\"openai/gpt-4o\"",
            .help = "The model: `auto` (the operator's choice), or a name as the service has it, "
                    "or vendor/name."),
    OPT_ENUM(
        T, format, chat_formats, .def = CHAT_JSON,
        .help =
            "The answer as a JSON file, as a text file, or as `answer` in the meta of the input."),
    OPT_ENUM(T, return_messages, chat_shares, .def = CHAT_LAST,
             .help = "What comes out: the `last` message, which is the answer, or `all` of the "
                     "conversation."),
    OPT_STR(T, schema, .literal = true, .example = "\"{\\\"type\\\": \\\"object\\\"}\"",
            .help =
                "JSON Schema that the answer must fit, as a text. A ${...} in it stays as it is."),
    OPT_JSON(T, messages, .required = true, .example = "\"What is this?\"",
             .help = "The question, or the conversation: a list of {role, content}."),
    OPT_STR(T, system_message, .help = "What the model is told before."),
    OPT_STR(T, reasoning_effort, .pattern = "^(xhigh|high|medium|low)$", .example = "\"low\"",
            .help = "How much the model may think: `xhigh`, `high`, `medium` or `low`."),
    OPT_JSON(T, credentials, .example = "\"my_ai_keys\"",
             .help = "Name of stored credentials of type ai, or a list of such: keys to use in the "
                     "place of the operator's."),
    OPT_BOOL(T, test_credentials, .help = "Use the operator's key, whatever others there are."),
    OPT_STR(T, provider, .pattern = "^[a-z0-9_-]{1,40}$", .example = "\"openai\"",
            .help = "Whose key to use of several: openai, anthropic, deepseek, google or xai."),
    CHAT_KEY("openai_api_key", openai, "OpenAI, and of all that have no key of their own"),
    CHAT_KEY("anthropic_api_key", anthropic, "Anthropic"),
    CHAT_KEY("deepseek_api_key", deepseek, "DeepSeek"),
    CHAT_KEY("google_generative_ai_api_key", google, "Google"),
    CHAT_KEY("xai_api_key", xai, "xAI"),
    OPT_UNSUPPORTED("mcp_servers", .help = "Tool servers that the model may call."),
    OPT_END,
};

/* ---- what may be asked ---- */

static int chat_message_check(const json_t *m, size_t i, struct err *err)
{
    static const char *const roles[] = {"system", "user", "assistant"};
    const json_t *content = json_object_get(m, "content"), *part;
    const char *role = jstr_or(m, "role", "");
    bool known = false;
    size_t k;

    for (size_t r = 0; r < ARRAY_LEN(roles); r++)
        known |= !strcmp(role, roles[r]);
    if (!known)
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'messages': entry %zu has the role '%.40s', which is none of system, "
                       "user and assistant",
                       i + 1, role);
    if (json_is_string(content))
        return 0;
    if (!json_array_size(content))
        return err_set(err, ERR_ROBOT_VALIDATION, "'messages': entry %zu has no content", i + 1);
    json_array_foreach (content, k, part)
        if (strcmp(jstr_or(part, "type", ""), "text") != 0 || !jstr(part, "text"))
            return err_set(err, ERR_ROBOT_VALIDATION,
                           "'messages': the content of entry %zu must be a text, or a list of "
                           "{type: 'text', text}: files "
                           "come by `use`",
                           i + 1);
    return 0;
}

static int chat_messages_check(const json_t *messages, struct err *err)
{
    const json_t *m;
    size_t i;

    if (json_is_string(messages) && json_string_length(messages))
        return 0;
    if (!json_array_size(messages) || json_array_size(messages) > MESSAGES_MAX)
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'messages' must be a text, or a list of 1 to %d {role, content}",
                       MESSAGES_MAX);
    json_array_foreach (messages, i, m)
        if (chat_message_check(m, i, err) < 0)
            return -1;
    return 0;
}

static int chat_credentials_check(const json_t *v, struct err *err)
{
    const json_t *name;
    size_t i;

    if (!v || json_is_string(v))
        return 0;
    json_array_foreach (v, i, name)
        if (!json_is_string(name))
            break;
    return json_is_array(v) && i == json_array_size(v)
               ? 0
               : err_set(err, ERR_ROBOT_VALIDATION,
                         "'credentials' must be a name, or a list of names");
}

static int chat_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;
    AUTO(json_unref) json_t *schema = NULL;

    if (str_given(o->schema) && !(schema = ai_schema_read(o->schema, err)))
        return -1;
    if (chat_credentials_check(o->credentials, err) < 0)
        return -1;
    return partial && !o->messages ? 0 : chat_messages_check(o->messages, err);
}

/* ---- whose key ---- */

static const char *chat_key(const T *o)
{
    const struct {
        const char *vendor, *key;
    } all[] = {{"openai", o->keys.openai},
               {"anthropic", o->keys.anthropic},
               {"deepseek", o->keys.deepseek},
               {"google", o->keys.google},
               {"xai", o->keys.xai}};
    const char *whose = str_given(o->provider) ? o->provider : o->model;
    size_t n = strcspn(whose, "/");

    if (o->test_credentials)
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (str_given(all[i].key) && strlen(all[i].vendor) == n &&
            !strncmp(all[i].vendor, whose, n))
            return all[i].key;
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (str_given(all[i].key))
            return all[i].key;
    return NULL;
}

/* ---- the conversation ---- */

/* As the client has it, with what it is told before. */
static json_t *chat_conversation(const T *o, bool json)
{
    json_t *all = json_array();

    if (str_given(o->system_message))
        ai_say(all, "system", o->system_message);
    if (json) /* services want the word to be there */
        ai_say(all, "system", "Answer with JSON alone.");
    if (json_is_string(o->messages))
        ai_say(all, "user", json_string_value(o->messages));
    else
        json_array_extend(all, o->messages);
    return all;
}

/* The message that the files belong to: the last one, when the user says it. */
static json_t *chat_parts(json_t *messages)
{
    json_t *last = json_array_get(messages, json_array_size(messages) - 1);
    json_t *content = json_object_get(last, "content"), *parts = json_array();

    if (strcmp(jstr_or(last, "role", ""), "user") != 0) {
        json_array_append_new(messages, json_pack("{s:s,s:o}", "role", "user", "content", parts));
        return parts;
    }
    if (json_is_string(content))
        json_array_append_new(parts, json_pack("{s:s,s:O}", "type", "text", "text", content));
    else
        json_array_extend(parts, content);
    json_array_set_new(messages, json_array_size(messages) - 1,
                       json_pack("{s:s,s:o}", "role", "user", "content", parts));
    return parts;
}

static int chat_add_files(json_t *messages, struct robot_job *job, struct err *err)
{
    int n = robot_input_count(job);
    json_t *parts = n ? chat_parts(messages) : NULL;

    if (n > FILES_MAX)
        return err_set(err, ERR_INPUT, "a question may have %d files, this one has %d", FILES_MAX,
                       n);
    for (int i = 0; i < n; i++) {
        json_t *part = ai_part_of(robot_input(job, i), err);

        if (!part)
            return -1;
        json_array_append_new(parts, part);
    }
    return 0;
}

/* ---- what comes out ---- */

static void chat_add_spoken(struct str *out, const json_t *content)
{
    const json_t *part;
    size_t i;

    if (json_is_string(content))
        str_puts(out, json_string_value(content));
    else if (!json_is_array(content))
        str_add_json_value(out, content);
    json_array_foreach (content, i, part)
        str_puts(out, jstr_or(part, "text", ""));
}

static int chat_emit_text(struct robot_job *job, const json_t *all, const char *text,
                          const struct robot_output *how, struct err *err)
{
    AUTO(str_done) struct str talk = {0};
    const json_t *m;
    size_t i;

    json_array_foreach (all, i, m) {
        str_addf(&talk, "%s%s:\n", i ? "\n\n" : "", jstr_or(m, "role", ""));
        chat_add_spoken(&talk, json_object_get(m, "content"));
    }
    return ai_emit_file(job, all ? talk.s : text, how, err);
}

static int chat_emit(struct robot_job *job, const T *o, json_t *talk,
                     const struct ai_answer *answer, struct err *err)
{
    bool alone = !robot_input_count(job), text = o->format == CHAT_TEXT;
    json_t *said = answer->value ? json_incref(answer->value) : jstring(answer->text);
    AUTO(json_unref) json_t *all = o->return_messages == CHAT_ALL ? json_incref(talk) : NULL;
    AUTO(json_unref) json_t *shown = all ? all : said;
    const struct robot_output how = {.ext = text ? "txt" : "json",
                                     .name = !alone ? NULL
                                             : text ? "answer.txt"
                                                    : "answer.json",
                                     .mime = text ? "text/plain" : "application/json",
                                     .input = alone ? -1 : 0};

    if (all) {
        json_array_append_new(all, json_pack("{s:s,s:o}", "role", "assistant", "content", said));
        json_incref(all);
    }
    if (o->format == CHAT_META)
        return ai_emit_meta(job, "answer", json_incref(shown), err);
    if (text)
        return chat_emit_text(job, all, answer->text, &how, err);
    AUTO(mem_free) char *dump = json_text(shown);
    return ai_emit_file(job, dump, &how, err);
}

static int chat_ask(struct ai *a, struct robot_job *job, const T *o, struct err *err)
{
    AUTO(json_unref) json_t *schema = str_given(o->schema) ? ai_schema_read(o->schema, err) : NULL;
    bool json = o->format == CHAT_JSON && !schema;
    AUTO(json_unref) json_t *talk = chat_conversation(o, json), *messages = json_copy(talk);
    AUTO(ai_answer_done) struct ai_answer answer = {0};
    struct ai_question q = {
        .messages = messages, .schema = schema, .json = json, .effort = o->reasoning_effort};

    if (str_given(o->schema) && !schema)
        return -1;
    if (chat_add_files(messages, job, err) < 0 || !(q.model = ai_model(a, o->model, err)))
        return -1;
    robot_progress(job, 0.1);
    return ai_ask(&answer, a, &q, err) < 0 ? -1 : chat_emit(job, o, talk, &answer, err);
}

static int chat_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    AUTO(ai_done) struct ai a = {0};

    if (o->format == CHAT_META && !robot_input_count(job))
        return robot_fail(
            job, err, ERR_ROBOT_VALIDATION, "VALIDATION",
            "'format' is 'meta', but there is no input whose meta could have the answer");
    return ai_open(&a, job, "ai", chat_key(o), err) < 0 ? -1 : chat_ask(&a, job, o, err);
}

/* The key with which a Step would ask that names no model. Whoever lists his models to everybody
 * has not looked at it, so a question must be answered, of a few words. */
static int chat_try(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    const char *key = chat_key(o);
    AUTO(ai_done) struct ai a = {0};
    AUTO(ai_answer_done) struct ai_answer answer = {0};
    AUTO(json_unref) json_t *talk = chat_conversation(o, /* json= */ false);
    struct ai_question q = {.messages = talk};

    if (!str_given(key))
        return robot_fail(job, err, ERR_ROBOT_VALIDATION, "VALIDATION",
                          "the stored credentials hold no key");
    if (ai_open(&a, job, "ai", key, err) < 0 || !(q.model = ai_model(&a, o->model, err)) ||
        ai_ask(&answer, &a, &q, err) < 0)
        return -1;
    robot_tried(job, TRIAL_ANSWERED);
    return 0;
}

const struct robot robot_ai_chat = {
    .name = "/ai/chat",
    .summary = "Ask a language model",
    .accepts = "image/|text/|audio/mpeg|audio/wav|audio/x-wav|audio/vnd.wave|application/"
               "pdf|application/json|"
               "application/xml|application/x-yaml|application/javascript",
    .role = ROLE_TRANSFER,
    .no_input = true,
    .passes_input = true,
    .credentials = "ai",
    .keys = AI_KEYS,
    .price_factor = 1,
    .slots = 10,
    .opts_size = sizeof(T),
    .options = options,
    .example = "{\"messages\": \"What is this?\"}",
    .check = chat_check,
    .run = IN_WORKER(chat_run),
    .trial = IN_WORKER(chat_try),
    .trial_params = "{\"messages\": \"Say: yes.\"}",
};
