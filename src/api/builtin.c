#include "api/builtin.h"
#include "base/str.h"
#include "robot/robot.h"

#include <stdlib.h>
#include <string.h>

#define BUILTIN(base, version) "builtin/" base "@" version, base, version

/* Versions of a base stand behind each other, the highest last. */
static const struct builtin builtins[] = {
    {BUILTIN("encode-hls-video", "0.0.1"),
     "Encodes a film in three sizes, and cuts them into a stream for HLS that adapts to the network.", false,
     "{\"steps\": {"
     "\":original\": {\"robot\": \"/upload/handle\"},"
     "\"low\": {\"robot\": \"/video/encode\", \"use\": \":original\", \"preset\": \"hls/270p\"},"
     "\"mid\": {\"robot\": \"/video/encode\", \"use\": \":original\", \"preset\": \"hls/540p\"},"
     "\"high\": {\"robot\": \"/video/encode\", \"use\": \":original\", \"preset\": \"hls/1080p\"},"
     "\"adaptive\": {\"robot\": \"/video/adaptive\", \"technique\": \"hls\", \"playlist_name\": \"playlist.m3u8\","
     " \"use\": {\"steps\": [\"low\", \"mid\", \"high\"], \"bundle_steps\": true, \"group_by_original\": true},"
     " \"result\": true}}}"},
    /* It fetches whatever address it is given: not for everybody who finds the server. */
    {BUILTIN("serve-preview", "0.0.1"),
     "Answers a request by URL with a preview picture of the file at the address that is its input, of the size w, h.",
     true,
     "{\"steps\": {"
     "\"imported\": {\"robot\": \"/http/import\", \"url\": \"${fields.input}\"},"
     "\"preview\": {\"robot\": \"/file/preview\", \"use\": \"imported\", \"width\": \"${fields.w}\","
     " \"height\": \"${fields.h}\"},"
     "\"served\": {\"robot\": \"/file/serve\", \"use\": \"preview\"}}}"},
};

json_t *builtin_content(const struct builtin *b) { return json_reads(b->content); }

static bool builtin_runs(const struct builtin *b)
{
    AUTO(json_unref) json_t *content = builtin_content(b);
    const char *name;
    json_t *step;

    json_object_foreach (json_object_get(content, "steps"), name, step)
        if (!robot_find(jstr_or(step, "robot", "")))
            return false;
    return content != NULL;
}

static bool is_latest(const struct builtin *b)
{
    return b + 1 == builtins + ARRAY_LEN(builtins) || strcmp(b[1].base, b->base) != 0;
}

const struct builtin *builtin_at(int n, bool latest)
{
    for (size_t i = 0; i < ARRAY_LEN(builtins); i++)
        if ((!latest || is_latest(&builtins[i])) && builtin_runs(&builtins[i]) && n-- == 0)
            return &builtins[i];
    return NULL;
}

const struct builtin *builtin_find(const char *id)
{
    for (size_t i = 0; i < ARRAY_LEN(builtins); i++) {
        const struct builtin *b = &builtins[i];
        size_t len = strlen(b->id) - strlen(b->version);

        if ((!strcmp(id, b->id) || (is_latest(b) && !strncmp(id, b->id, len) && !strcmp(id + len, "latest"))) &&
            builtin_runs(b))
            return b;
    }
    return NULL;
}
