/* For targets whose input is lines that end in JSON: changes that leave it JSON, so that more than the JSON parser is
 * reached. libFuzzer's own mutations stay in use, for a third of the inputs and inside of texts. */
#include "fuzz.h"

#include <string.h>

#define MAX_LINES 64
#define MAX_NODES 512

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

static unsigned rng;

static unsigned rnd(unsigned n)
{
    rng = rng * 1664525 + 1013904223;
    return (rng >> 8) % n;
}

/* A value and where it hangs. */
struct node {
    json_t *parent;
    const char *key; /* of an object */
    size_t index;    /* of an array */
    json_t *value;
};

static struct node nodes[MAX_NODES];
static unsigned count;

static void collect(json_t *j, int depth)
{
    const char *key;
    json_t *item;
    size_t i;

    if (depth > 20)
        return;
    json_array_foreach (j, i, item)
        if (count < MAX_NODES) {
            nodes[count++] = (struct node){j, NULL, i, item};
            collect(item, depth + 1);
        }
    json_object_foreach (j, key, item)
        if (count < MAX_NODES) {
            nodes[count++] = (struct node){j, key, 0, item};
            collect(item, depth + 1);
        }
}

static void put(const struct node *n, json_t *value)
{
    if (n->key)
        json_object_set_new(n->parent, n->key, value);
    else
        json_array_set_new(n->parent, n->index, value);
}

static json_t *mutated_text(const char *s)
{
    char buf[2048];
    size_t len = strlen(s);

    if (len > sizeof buf / 2)
        len = sizeof buf / 2;
    memcpy(buf, s, len);
    len = LLVMFuzzerMutate((uint8_t *)buf, len, sizeof buf - 1);
    buf[len] = 0;
    return jstring(buf);
}

static json_t *interesting(void)
{
    static const char *const texts[] = {"", "x", "${file.meta.width}", "${fields.a}", "${", "a${file.name}b", "100px", "-1", "1e400",
                                        "\xEF\xBF\xBD", "\x01", "../../etc", ":original", "50%", "image/png", "true"};
    static const double numbers[] = {0, 1, -1, 0.5, -0.0, 3, 100, 255, 65536, 2147483648.0, -9007199254740993.0, 1e300};
    static const int64_t integers[] = {INT64_MAX, INT64_MIN, INT64_C(1) << 53, 4294967296, 2147483647, -2147483648};

    switch (rnd(8)) {
    case 0: return json_null();
    case 1: return json_boolean(rnd(2));
    case 2: return json_real(numbers[rnd(ARRAY_LEN(numbers))]);
    case 3: return json_integer(rnd(2) ? (json_int_t)rnd(8) : integers[rnd(ARRAY_LEN(integers))]);
    case 4: return json_array();
    case 5: return json_object();
    default: return json_string(texts[rnd(ARRAY_LEN(texts))]);
    }
}

static void mutate(json_t *root)
{
    struct node *n, *other;

    count = 0;
    collect(root, 0);
    if (!count) {
        if (json_is_object(root))
            json_object_set_new(root, "x", interesting());
        return;
    }
    n = &nodes[rnd(count)];
    other = &nodes[rnd(count)];
    switch (rnd(8)) {
    case 0: put(n, interesting()); break;
    case 1: put(n, json_deep_copy(other->value)); break;
    case 2:
        if (n->key)
            json_object_del(n->parent, n->key);
        else
            json_array_remove(n->parent, n->index);
        break;
    case 3: { /* another name for it */
        AUTO(json_unref) json_t *name = mutated_text(n->key ? n->key : "");
        if (json_is_object(n->parent))
            json_object_set_new(n->parent, json_string_value(name), json_deep_copy(n->value));
        else
            json_array_append_new(n->parent, json_deep_copy(other->value));
        break;
    }
    case 4: put(n, json_pack("[o]", json_deep_copy(n->value))); break;
    case 5:
        if (json_is_integer(n->value))
            put(n, json_integer(json_integer_value(n->value) ^ (json_int_t)1 << rnd(63)));
        else
            put(n, interesting());
        break;
    default:
        if (json_is_string(n->value))
            put(n, mutated_text(json_string_value(n->value)));
        else
            put(n, json_deep_copy(other->value));
    }
}

/* The line with its JSON changed; the caller frees. */
static char *mutate_line(const char *line)
{
    size_t at = strcspn(line, "{[");
    AUTO(json_unref) json_t *j = json_loads(line + at, 0, NULL);

    if (!j)
        return NULL;
    for (unsigned i = 1 + rnd(3); i--;)
        mutate(j);
    AUTO(mem_free) char *text = json_text(j);
    return mem_printf("%.*s%s", (int)at, line, text);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    struct bytes b = {data, size};
    char *lines[MAX_LINES + 1];
    unsigned n = 0, which, whither;
    AUTO(str_done) struct str out = {0};
    char *changed;

    rng = seed;
    if (!size || !rnd(3))
        return LLVMFuzzerMutate(data, size, max);
    while (b.left && n < MAX_LINES)
        lines[n++] = take_line(&b);
    which = rnd(n);
    whither = rnd(n);
    if (which != whither && !rnd(4)) { /* lines in another order, or one again */
        char *moved = lines[which];
        if (rnd(2)) {
            lines[which] = lines[whither];
            lines[whither] = moved;
        } else {
            lines[which] = mem_strdup(lines[whither]);
            free(moved);
        }
    } else if (n > 1 && !rnd(8)) {
        free(lines[which]);
        lines[which] = lines[--n];
    } else if (!rnd(8) && n < MAX_LINES) {
        lines[n++] = mem_strdup(lines[which]);
    } else if ((changed = mutate_line(lines[which]))) {
        free(lines[which]);
        lines[which] = changed;
    }
    for (unsigned i = 0; i < n; i++) {
        str_addf(&out, "%s%s", i ? "\n" : "", lines[i]);
        free(lines[i]);
    }
    if (!out.len || out.len > max)
        return LLVMFuzzerMutate(data, size, max);
    memcpy(data, out.s, out.len);
    return out.len;
}
