/* What the rules have to say: effects for the conductor, warnings for the status. */
#include "assembly/private.h"

struct effect *effects_add(struct effects *fx, enum effect_type type)
{
    if (fx->count == fx->cap) {
        fx->cap = fx->cap ? fx->cap * 2 : 16;
        fx->v = mem_realloc(fx->v, (size_t)fx->cap * sizeof *fx->v);
    }
    fx->v[fx->count] = (struct effect){.type = type};
    return &fx->v[fx->count++];
}

static void effect_done(struct effect *e) { free(e->text); }

void effects_reset(struct effects *fx)
{
    for (int i = 0; i < fx->count; i++)
        effect_done(&fx->v[i]);
    fx->count = 0;
}

void effects_done(struct effects *fx)
{
    effects_reset(fx);
    free(fx->v);
    *fx = (struct effects){0};
}

void effects_tell(struct effects *fx, const char *name, char *text)
{
    struct effect *e = effects_add(fx, FX_TELL);

    e->name = name;
    e->text = text;
}

void effects_fragment(struct effects *fx, enum doc_list list, int step, int index, char *text)
{
    struct effect *e = effects_add(fx, FX_FRAGMENT);

    e->list = list;
    e->step = step;
    e->index = index;
    e->text = text;
}

void assembly_say(struct assembly *a, const char *level, const char *text)
{
    if (json_array_size(a->warnings) < 100)
        json_array_append_new(a->warnings, json_pack("{s:s,s:o}", "level", level, "msg", jstring(text)));
}

void assembly_warn(struct assembly *a, const char *text) { assembly_say(a, "warning", text); }
