/* What ffprobe, ffmpeg and pdfinfo print about a hostile file becomes the file's meta. The first byte says what the file
 * looks like; its tools print the rest, one text each, with lines of "%%" between them. */
#include "fuzz.h"
#include "media/tool.h"
#include "media/probe.h"

#include <string.h>

static const struct {
    const char *head;
    size_t len;
} looks[] = {
    {"\0\0\0\x18" "ftypisom\0\0\0\0isommp42\0\0\0\x08moov", 32}, /* an MP4 with its index first */
    {"\0\0\0\x18" "ftypisom\0\0\0\0isommp42\0\0\0\x01mdat\0\0\0\0\0\0\0\x10", 40},
    {"%PDF-1.7\n", 9},
    {"ID3\3\0\0\0\0\0\0", 10},
    {"OggS\0\2", 6},
    {"RIFF\x24\0\0\0WAVEfmt ", 16},
    {"\x1A\x45\xDF\xA3\x01\0\0\0\0\0\0\x1F\x42\x86\x81\x01\x42\x82\x84webm", 23},
    {"GIF89a", 6},
};

static struct bytes *printed;

static size_t text_end(const struct bytes *b)
{
    const uint8_t *end = b->left ? memmem(b->p, b->left, "\n%%\n", 4) : NULL;

    return end ? (size_t)(end - b->p) : b->left;
}

/* In the place of media/tool.c: no program is started. */
bool tool_is_stuck(void) { return false; }

int tool_text(struct str *out, const char *const argv[], int timeout_ms, size_t max, struct err *err)
{
    AUTO(mem_free) char *text = NULL;
    size_t len = text_end(printed);

    CHECK(argv[0] && timeout_ms > 0 && max > 0);
    if (!printed->left)
        return err_set(err, ERR_COMMAND, "%s printed nothing", argv[0]);
    text = take_text(printed, len);
    str_add(out, text, len);
    free(take_text(printed, 4));
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes b = {data, len};
    unsigned look = take_below(&b, ARRAY_LEN(looks)), more = take_byte(&b);
    AUTO(json_unref) json_t *output_meta =
        more & 1 ? json_pack("{s:b,s:b,s:b}", "mean_volume", 1, "has_transparency", 1, "framerate", 1) : NULL;
    const struct probe_want want = {.limits = media_limits(NULL), .output_meta = output_meta};
    AUTO(json_unref) json_t *meta = NULL;
    char mime[MIME_LEN] = "", hint[16] = "";
    struct err err = {0};

    printed = &b;
    if (probe_file(&meta, mime, hint, fuzz_file(looks[look].head, looks[look].len), "a", &want, &err) < 0)
        CHECK(err.code && err.msg[0]);
    CHECK(strlen(mime) < MIME_LEN && strlen(hint) < 16);
    if (meta) {
        AUTO(mem_free) char *text = json_text(meta);
        AUTO(json_unref) json_t *again = json_loads(text, JSON_ALLOW_NUL, NULL);
        CHECK(again && json_is_object(again));
    }
    return 0;
}
