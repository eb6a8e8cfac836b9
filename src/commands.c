/* Commands that need nothing but the program. */
#include "commands.h"
#include "api/app.h"
#include "robot/robot.h"

#include <stdio.h>

int command_robots(void)
{
    for (const struct robot *const *r = robot_table; *r; r++) {
        printf("## %s\n\n%s.\n\n", (*r)->name, (*r)->summary);
        for (const struct option *o = (*r)->options; o->type != OPT_TYPE_END; o++) {
            if (o->unsupported)
                continue;
            printf("- `%s`%s%s%s", o->name, o->required ? " (required)" : "", o->unit ? " in " : "",
                   o->unit ? o->unit : "");
            if (o->min != 0 || o->max != 0)
                printf(", %.10g to %.10g", o->min, o->max);
            for (const struct opt_choice *ch = o->choices; ch && ch->name; ch++)
                printf("%s\"%s\"", ch == o->choices ? ", one of " : ", ", ch->name);
            printf("%s%s\n", o->help ? ": " : "", o->help ? o->help : "");
        }
        puts("");
    }
    return 0;
}

int command_openapi(void)
{
    AUTO(mem_free) char *text = openapi_text(NULL);

    return puts(text) < 0;
}
