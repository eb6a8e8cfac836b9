/* Headers of tus clients. */
#include "fuzz.h"
#include "upload/tus_text.h"

#include <string.h>

static void metadata(const char *text)
{
    AUTO(tus_metadata_done) struct tus_metadata m;
    int rc = tus_metadata_read(&m, text);

    CHECK(rc == 0 || rc == -1);
    CHECK(json_is_object(m.user_meta) && strlen(m.assembly_id) <= ID_LEN);
    CHECK(json_object_size(m.user_meta) <= strlen(text));
    /* goes into the store and comes back */
    AUTO(mem_free) char *json = json_text(m.user_meta);
    AUTO(json_unref) json_t *again = json_loads(json, JSON_ALLOW_NUL, NULL);
    CHECK(again && json_equal(again, m.user_meta));
}

static void parts(const char *text)
{
    char **ids = tus_parts_read(text);

    for (char **id = ids; id && *id; id++)
        CHECK(id_valid(*id));
    CHECK(!ids || *ids);
    tus_parts_free(ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes b = {data, len};
    unsigned kind = take_byte(&b);
    AUTO(mem_free) char *text = take_rest(&b);
    unsigned char want[EVP_MAX_MD_SIZE];
    const EVP_MD *md;

    switch (kind) {
    case 's': CHECK(tus_size(text) >= -1 && tus_size(text) < INT64_C(1000000000000000000)); break;
    case 'c':
        md = tus_checksum_read(text, want);
        CHECK(!md || EVP_MD_size(md) <= 32);
        break;
    case 'p': parts(text); break;
    default: metadata(text);
    }
    return 0;
}
