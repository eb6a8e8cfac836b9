/* Commands that need nothing but the program. */
#include "commands.h"
#include "api/openapi.h"
#include "base/str.h"
#include "robot/robot.h"

#include <stdio.h>
#include <string.h>

static void print_default(const struct option *o)
{
    AUTO(str_done) struct str text = {0};

    option_default(&text, o);
    if (text.len)
        printf(", default %s", text.s);
}

static void print_robot(const struct robot *r)
{
    const struct option *o;
    bool more = false;

    printf("## %s\n\n%s.\n\n", r->name, r->summary);
    for (struct opt_walk w = opt_walk(r->options); (o = opt_next(&w));) {
        if (o->unsupported)
            continue;
        printf("- `%s`%s%s%s", o->name, o->required ? " (required)" : "", o->unit ? " in " : "",
               o->unit ? o->unit : "");
        if (o->min != 0 || o->max != 0)
            printf(", %.10g to %.10g", o->min, o->max);
        for (const struct opt_choice *ch = o->choices; ch && ch->name; ch++)
            printf("%s\"%s\"", ch == o->choices ? ", one of " : ", ", ch->name);
        print_default(o);
        printf("%s%s\n", o->help ? ": " : "", o->help ? o->help : "");
    }
    for (struct opt_walk w = opt_walk(r->options); (o = opt_next(&w));)
        if (o->unsupported) {
            printf("%s`%s`", more ? ", " : "\nKnown, but not built here: ", o->name);
            more = true;
        }
    puts(more ? ".\n" : "");
}

/* "/image/resize", or only the end of it. */
static const struct robot *find_robot(const char *name)
{
    const struct robot *found = robot_find(name);

    for (const struct robot *const *r = robot_table; *r && !found; r++) {
        const char *end = strrchr((*r)->name, '/') + 1;

        if (!strcmp(end, name) || !strcmp((*r)->name + 1, name))
            found = *r;
    }
    return found;
}

/* The end of a name may be mistyped as well as all of it. */
static int no_robot(const char *name)
{
    struct near near = near_to(name);
    struct err err;

    robot_unknown(&err, name);
    for (const struct robot *const *r = robot_table; *r; r++)
        near_try(&near, strrchr((*r)->name, '/') + 1);
    if (!strstr(err.msg, "did you mean"))
        near_say(&err, &near, "");
    fprintf(stderr, "workcell: %s\n", err.msg);
    return 2;
}

int command_robots(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (!find_robot(argv[i]))
            return no_robot(argv[i]);
    for (int i = 1; i < argc; i++)
        print_robot(find_robot(argv[i]));
    for (const struct robot *const *r = robot_table; *r && argc == 1; r++)
        print_robot(*r);
    return 0;
}

static int takes_nothing(int argc, char **argv)
{
    if (argc == 1)
        return 0;
    fprintf(stderr, "workcell: `%s` takes no words\n", argv[0]);
    command_usage(argv[0], stderr);
    return 2;
}

int command_openapi(int argc, char **argv)
{
    if (takes_nothing(argc, argv))
        return 2;
    size_t count;
    const struct route *routes = app_routes(&count);
    AUTO(mem_free) char *text = openapi_text(routes, count, NULL);

    return puts(text) < 0;
}

int command_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return puts("workcell " WORKCELL_VERSION) < 0;
}
