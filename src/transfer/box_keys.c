/* The half of box.h that the daemon checks as well. */
#include "transfer/box.h"
#include "transfer/values.h"

#define K struct box_keys
#define BEYOND "the contract leaves open what credentials of Box hold"
#define CONFIG_MAX 65536
#define CONFIG_EXAMPLE                                                                                               \
    "\"{\\\"boxAppSettings\\\":{\\\"clientID\\\":\\\"c\\\",\\\"clientSecret\\\":\\\"s\\\",\\\"appAuth\\\":{"         \
    "\\\"publicKeyID\\\":\\\"i\\\",\\\"privateKey\\\":\\\"k\\\",\\\"passphrase\\\":\\\"p\\\"}},"                     \
    "\\\"enterpriseID\\\":\\\"1\\\"}\""

const struct option box_keys_options[] = {
    OPT_STR(K, credentials, .help = "Name of stored credentials of type box."),
    OPT_STR(K, access_token, .secret = true,
            .help = "OAuth access token. Those that Box gives last an hour: see key_file_contents."),
    OPT_UNSUPPORTED("refresh_token", .secret = true, .beyond = BEYOND,
                    .instead = "store it as credentials of type box, with client_id and client_secret: it works once, "
                               "and the server keeps the next one"),
    OPT_STR(K, key_file_contents, .secret = true, .example = CONFIG_EXAMPLE,
            .help =
                "Text of the JSON file that Box's developer console makes for an app that signs in by a key (JWT). "
                "Belongs into stored credentials."),
    OPT_STR(K, client_id, .beyond = BEYOND,
            .help = "Of an app that signs in by its secret (client credentials grant)."),
    OPT_STR(K, client_secret, .secret = true, .beyond = BEYOND,
            .help = "Its secret. Belongs into stored credentials."),
    OPT_STR(K, enterprise_id, .beyond = BEYOND,
            .help = "Enterprise whose service account signs in. Left out: that of the key file."),
    OPT_STR(K, user_id, .beyond = BEYOND,
            .help =
                "User whose files they are, where the app may act for users. Left out: the app's service account."),
    OPT_END,
};

static json_t *read_config(const char *text, struct err *err)
{
    struct err why;
    size_t n = strlen(text);
    json_t *config =
        n <= CONFIG_MAX ? json_parse_within(text, n, &(struct json_bounds){.depth = 8, .values = 100}, &why) : NULL;

    if (json_is_object(config))
        return config;
    json_decref(config);
    err_set(err, ERR_ROBOT_VALIDATION, "'key_file_contents' is not the JSON of a key file of Box");
    return NULL;
}

static int from_config(struct box_app *a, const K *k, struct err *err)
{
    if (!(a->config = read_config(k->key_file_contents, err)))
        return -1;
    const json_t *settings = json_object_get(a->config, "boxAppSettings"),
                 *auth = json_object_get(settings, "appAuth");
    a->client_id = jstr(settings, "clientID");
    a->client_secret = jstr(settings, "clientSecret");
    a->key = jstr(auth, "privateKey");
    a->key_id = jstr(auth, "publicKeyID");
    a->passphrase = jstr(auth, "passphrase");
    if (!str_given(a->subject))
        a->subject = jstr(a->config, "enterpriseID");
    const struct {
        const char *name, *value;
    } needed[] = {{"boxAppSettings.clientID", a->client_id},
                  {"boxAppSettings.clientSecret", a->client_secret},
                  {"boxAppSettings.appAuth.privateKey", a->key},
                  {"boxAppSettings.appAuth.publicKeyID", a->key_id},
                  {"enterpriseID", a->subject}};
    for (size_t i = 0; i < ARRAY_LEN(needed); i++)
        if (!str_given(needed[i].value))
            return err_set(err, ERR_ROBOT_VALIDATION, "'key_file_contents' lacks %s", needed[i].name);
    return 0;
}

int box_app_read(struct box_app *out, const K *k, struct err *err)
{
    bool is_user = str_given(k->user_id);

    *out = (struct box_app){.subject_type = is_user ? "user" : "enterprise",
                            .subject = is_user ? k->user_id : k->enterprise_id};
    if (str_given(k->key_file_contents)) {
        if (from_config(out, k, err) == 0)
            return 0;
        json_decref(take(out->config));
        return -1;
    }
    if (str_given(k->client_id) && str_given(k->client_secret) && str_given(out->subject)) {
        out->client_id = k->client_id;
        out->client_secret = k->client_secret;
    }
    return 0;
}

void box_app_done(struct box_app a) { json_decref(a.config); }

int box_keys_check(const K *k, bool partial, struct err *err)
{
    const char *const all[] = {k->access_token, k->client_id, k->client_secret, k->enterprise_id, k->user_id};
    AUTO(box_app_done) struct box_app app = {0};

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (all[i] && value_has_control(all[i]))
            return err_set(err, ERR_ROBOT_VALIDATION, "the tokens and keys of Box must not hold control characters");
    if (partial)
        return 0;
    if (box_app_read(&app, k, err) < 0)
        return -1;
    if (str_given(k->credentials) || str_given(k->access_token) || app.client_id)
        return 0;
    return err_set(err, ERR_ROBOT_VALIDATION,
                   "nobody could sign in to Box: give 'credentials', or 'access_token', or 'key_file_contents', or "
                   "'client_id', 'client_secret' and 'enterprise_id'");
}
