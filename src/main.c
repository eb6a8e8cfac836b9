/* main.c - finds the command. */
#include "base/fault.h"
#include "base/json.h"
#include "commands.h"
#include "secrecy.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>

static bool is_one_of(const char *word, const char *a, const char *b, const char *c)
{
    return !strcmp(word, a) || !strcmp(word, b) || !strcmp(word, c);
}

static int unknown(const char *name)
{
    struct near near = near_to(name);

    for (const struct command *c = commands; c->name; c++)
        near_try(&near, c->name);
    fprintf(stderr, "workcell: there is no command '%.100s'", name);
    if (near.name)
        fprintf(stderr, "; did you mean '%s'?", near.name);
    fputs("\n`workcell help` lists them.\n", stderr);
    return 2;
}

/* help, help COMMAND */
static int help(int argc, char **argv)
{
    const struct command *c = argc > 1 ? command_find(argv[1]) : NULL;

    if (argc > 1 && !c)
        return unknown(argv[1]);
    if (c)
        command_help(c, stdout);
    else
        commands_list(stdout);
    return 0;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    const struct command *c;

    secrecy_begin();
    fault_setup();
    /* Large buffers are given back to the system when they are freed, whatever lies behind them: malloc's own growing
     * limit left 111 MB where 37 were needed. */
    mallopt(M_MMAP_THRESHOLD, 128 * 1024);
    json_setup();

    if (!*name) {
        commands_list(stderr);
        return 2;
    }
    if (!strcmp(name, "--renew"))
        return command_renew(argc, argv);
    if (is_one_of(name, "help", "--help", "-h"))
        return help(argc - 1, argv + 1);
    if (is_one_of(name, "version", "--version", "-V"))
        name = "version";
    if (!(c = command_find(name)))
        return unknown(name);
    for (int i = 2; i < argc; i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            command_help(c, stdout);
            return 0;
        }
    return c->run(argc - 1, argv + 1);
}
