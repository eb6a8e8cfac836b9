#include "transfer/ai_options.h"
#include "base/auto.h"
#include "base/near.h"
#include "transfer/values.h"

#include <string.h>

#define VALUE_MAX 1000 /* bytes of a key or a model's name */

const struct ai_service ai_services[] = {
    {"ai", "the AI service", true, false},
    {"vision", "the vision service", true, false},
    {"speech", "the speech service", false, false},
    {"images", "the image service", false, false},
    {"videos", "the video service", false, false},
    {"translate", "the translation service", true, true},
    {"bgremove", "the service that removes backgrounds", false, true},
    {"upscale", "the service that enlarges pictures", false, true},
    {"copyrightdetect", "the service that knows pictures", false, true},
    {0},
};

const struct ai_service *ai_service_find(const char *name)
{
    for (const struct ai_service *s = ai_services; s->name; s++)
        if (!strcmp(s->name, name))
            return s;
    return NULL;
}

static int add_named(json_t *all, const char *setting, char *pair, struct err *err)
{
    char *value = strchr(pair, '=');

    if (!value) /* it may be all secret */
        return err_set(err, ERR_CONFIG, "%s: what is not of the form NAME=... names no service",
                       setting);
    *value++ = 0;
    if (!ai_service_find(pair)) {
        struct near near = near_to(pair);

        for (const struct ai_service *s = ai_services; s->name; s++)
            near_try(&near, s->name);
        err_set(err, ERR_CONFIG, "%s: no AI service is called '%.60s'", setting, pair);
        return near_say(err, &near, "");
    }
    if (!*value || strlen(value) > VALUE_MAX || value_has_control(value))
        return err_set(err, ERR_CONFIG,
                       "%s: that of %s is empty, too long, or holds control characters", setting,
                       pair);
    json_object_set_new(all, pair, jstring(value));
    return 0;
}

json_t *ai_named_read(const char *setting, const char *text, struct err *err)
{
    AUTO(mem_free) char *copy = mem_strdup(text);
    AUTO(json_unref) json_t *all = json_object();
    char *rest = copy, *pair;

    while ((pair = strsep(&rest, ",")))
        if (*pair && add_named(all, setting, pair, err) < 0)
            return NULL;
    return json_incref(all);
}
