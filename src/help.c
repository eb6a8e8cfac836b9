/* The commands and what `workcell NAME --help` says of each: one table. */
#include "api/scopes.h"
#include "assembly/credentials.h"
#include "commands.h"
#include "config.h"
#include "server.h"

#include <string.h>

static const char data_text[] = "  --data DIR        the data directory [./workcell-data]; only adding makes one\n"
                                "  --workspace NAME  of several workspaces: its name or id [the first one]\n";

static void credential_more(FILE *to)
{
    fputs("\nOptions\n  --replace         put them in the place of those of that name\n", to);
    fputs(data_text, to);
    fputs("\nTypes and their fields (those in brackets may be left out)\n", to);
    for (const struct credential_type *t = credential_types; t->name; t++) {
        fprintf(to, "  %-13s ", t->name);
        if (!t->required)
            fputs("any fields", to);
        for (const char *p = t->required ? t->required : ""; *p; p++)
            fprintf(to, *p == '|' ? ", or " : "%c", *p);
        if (t->required && t->optional && *t->optional)
            fprintf(to, " [%s]", t->optional);
        fputc('\n', to);
    }
}

static void template_more(FILE *to)
{
    fputs("\nOptions\n  --require-signature-auth 0|1  whether only signed requests may use it\n", to);
    fputs(data_text, to);
}

static void workspace_more(FILE *to)
{
    fputs("\nOptions\n", to);
    fputs(data_text, to);
}

static void key_more(FILE *to)
{
    fputs("\nOptions\n  --description TEXT            what it is for\n"
          "  --require-signature-auth 0|1  whether its requests must be signed\n",
          to);
    fputs(data_text, to);
    fputs("\nScopes (none given: all of them)\n", to);
    for (const char *const *s = auth_scopes; *s; s++)
        fprintf(to, "  %s\n", *s);
}

static void ssh_key_more(FILE *to)
{
    fputs("\nOptions\n", to);
    fputs("  --data DIR        the data directory [./workcell-data]\n"
          "  --workspace NAME  of several workspaces, for hosts and forget: its name or id [the first one]\n",
          to);
}

static void serve_more(FILE *to)
{
    fputc('\n', to);
    config_help(to);
}

const struct command commands[] = {
    {"serve", "[settings]", "run the server",
     "Serves the API, and the console below /console/, until it gets SIGTERM or SIGINT. The first line on standard "
     "output is\n"
     "`workcell listening on http://HOST:PORT`; logs go to standard error.\n\n"
     "Environment\n"
     "  TRANSLOADIT_KEY, TRANSLOADIT_SECRET  the first Auth Key, both or none. With another secret than before the key "
     "gets\n"
     "      the new one. Without them the keys of the data directory count; when it has none yet, one is made, and "
     "its\n"
     "      secret is printed once (`workcell key add` makes another).\n\n"
     "Examples\n"
     "  TRANSLOADIT_KEY=my-key TRANSLOADIT_SECRET=my-secret workcell serve --data ./data\n"
     "  workcell serve --config /etc/workcell.conf --listen 0.0.0.0:8080 --public-url https://files.example "
     "--require-signature\n\n"
     "Exit codes: 0 stopped as asked, 1 it could not start, 2 wrong use.\n",
     serve_more, command_serve},
    {"run", "INSTRUCTIONS.json [FILE...] -o DIR [settings]", "one Assembly over local files, without a daemon",
     "Runs Assembly Instructions over files: results go to DIR/STEP/, the status to DIR/status.json. INSTRUCTIONS may "
     "be -\n"
     "for standard input. Progress and warnings go to standard error, the paths of results to standard output. "
     "Settings\n"
     "are those of `workcell serve`.\n\n"
     "Examples\n"
     "  workcell run faces.json photo.jpg -o results\n"
     "  echo '{\"steps\":{\"small\":{\"robot\":\"/image/resize\",\"use\":\":original\",\"width\":300}}}' | workcell "
     "run - *.jpg -o small\n\n"
     "Exit codes: 0 completed (with warnings or without), 1 the Assembly failed, 2 wrong use, 3 the server inside "
     "could not\n"
     "work, 130 canceled.\n",
     NULL, command_run},
    {"check", "FILE|TEMPLATE [--data DIR] [--workspace NAME]", "what this server would say of Assembly Instructions",
     "Says all that would be refused, and what is done otherwise than by the hosted service, each with its line:\n"
     "  FILE:LINE:COLUMN: refused: step 'NAME': what is wrong [CODE]\n"
     "  FILE:LINE:COLUMN: differs: step 'NAME': what is otherwise\n"
     "  FILE:LINE:COLUMN: doubtful: it is taken, but hardly what was meant\n"
     "What is no JSON (a comma too many, single quotes, a comment...) is told as well, and the rest is looked at as it "
     "was\n"
     "probably meant.\n"
     "A FILE of - is standard input. A word that is no file is a Template in the data directory, while no server runs "
     "on it;\n"
     "lines and columns are then those of what `workcell template get` prints.\n\n"
     "Example\n"
     "  workcell check thumbnails.json\n\n"
     "Exit codes: 0 nothing would be refused, 1 something would, 2 wrong use, or it can't be read.\n",
     NULL, command_check},
    {"credential",
     "add NAME TYPE KEY=VALUE... [--replace]\n"
     "list\n"
     "remove NAME\n"
     "rotate\n"
     "test NAME",
     "keep credentials for export and import Robots",
     "Works on a data directory while no server runs on it. rotate seals everything anew with a new key file. "
     "test\n"
     "signs in with them, writes a probe, lists, and removes it again (a private host needs --import-allow).\n\n"
     "A VALUE of - is read from standard input (a terminal asks for it and does not show it), @FILE from a file; a "
     "value that\n"
     "begins with @ is written @@. What stands on a command line is seen by every user of the machine, so give "
     "secrets\n"
     "one of these ways. They are never printed.\n\n"
     "Examples\n"
     "  workcell credential add my_s3 s3 bucket=b key=AKIA... secret=- bucket_region=eu-west-1 --data ./data\n"
     "  workcell credential add my_s3 s3 bucket=b key=AKIA... secret=@/run/secrets/s3 --replace\n"
     "  workcell credential test my_s3\n\n"
     "Exit codes: 0 done, 1 refused or failed, 2 wrong use (also: there is no such data directory).\n",
     credential_more, command_credential},
    {"template",
     "create NAME FILE\n"
     "update NAME|ID FILE\n"
     "list\n"
     "get NAME|ID\n"
     "delete NAME|ID",
     "keep Assembly Instructions under a name",
     "Works on a data directory while no server runs on it. A FILE of - is standard input.\n\n"
     "Example\n"
     "  workcell template create thumbnails thumbnails.json --data ./data\n\n"
     "Exit codes: 0 done, 1 refused or failed, 2 wrong use (also: there is no such data directory).\n",
     template_more, command_template},
    {"workspace",
     "add NAME\n"
     "list",
     "keep tenants that see nothing of each other",
     "Works on a data directory while no server runs on it. A new workspace gets an Auth Key, whose secret is printed "
     "once.\n\n"
     "Exit codes: 0 done, 1 refused or failed, 2 wrong use (also: there is no such data directory).\n",
     workspace_more, command_workspace},
    {"key",
     "add [SCOPE...]\n"
     "list\n"
     "delete ID|KEY",
     "keep Auth Keys",
     "Works on a data directory while no server runs on it. The secret of a new key is printed once, by add. The last "
     "key of\n"
     "a workspace can't be deleted.\n\n"
     "Example\n"
     "  workcell key add assemblies:write --description 'web page' --data ./data\n\n"
     "Exit codes: 0 done, 1 refused or failed, 2 wrong use (also: there is no such data directory).\n",
     key_more, command_key},
    {"ssh-key",
     "\n"
     "hosts\n"
     "forget HOST [PORT]",
     "the key that logs in at SFTP servers, and the servers it knows",
     "Prints the public half of the key with which this server logs in at SFTP servers, as a line for their\n"
     "authorized_keys. The pair is made when there is none, also by the server at its start; the setting sftp_key\n"
     "names another. That works while a server runs; the others do not.\n\n"
     "hosts prints host, port, time and key of each SFTP server as a workspace saw it first: another key is refused\n"
     "from then on. forget lets the next login take the key that the server has then: do that when you know why it\n"
     "changed.\n\n"
     "Examples\n"
     "  workcell ssh-key --data ./data >>authorized_keys\n"
     "  workcell ssh-key forget files.example 2222 --data ./data\n\n"
     "Exit codes: 0 done, 1 refused or failed, 2 wrong use.\n",
     ssh_key_more, command_ssh_key},
    {"fsck", "[--repair] [--json] [--data DIR]", "compare the database with the files",
     "Reads a data directory while no server runs on it, and says what does not fit together. --repair mends what can "
     "be\n"
     "mended without losing anything; --json prints one JSON object.\n\n"
     "Exit codes: 0 clean, 1 findings (repaired or not), 2 it could not look.\n",
     NULL, command_fsck},
    {"doctor", "[--s3 NAME] [--json] [settings]", "what this machine has, and what it lacks",
     "Tries the jail, every codec, the data directory and the limits, with the settings that `workcell serve` would "
     "have.\n"
     "--s3 NAME tries stored credentials on the other side; --json prints one JSON object.\n\n"
     "Exit codes: 0 all is well, 1 something fails, 2 wrong use.\n",
     NULL, command_doctor},
    {"robots", "[NAME]", "the Robots and their parameters",
     "Prints what each Robot does and takes, or only the one called NAME: `/image/resize`, or the end of it, "
     "`resize`.\n\n"
     "Exit codes: 0 done, 2 there is no such Robot.\n",
     NULL, command_robots},
    {"openapi", "", "the API as an OpenAPI document",
     "Prints the OpenAPI 3.1 document that a server has at /openapi.json.\n", NULL, command_openapi},
    {"version", "", "which version this is", "Prints the name and the version. -V and --version do the same.\n", NULL,
     command_version},
    {0},
};

const struct command *command_find(const char *name)
{
    for (const struct command *c = commands; c->name; c++)
        if (!strcmp(c->name, name))
            return c;
    return NULL;
}

static void print_usage(const struct command *c, FILE *to)
{
    const char *line = c->usage, *head = "usage:";

    do {
        size_t n = strcspn(line, "\n");

        fprintf(to, "%-6s workcell %s%s%.*s\n", head, c->name, n ? " " : "", (int)n, line);
        line += n + (line[n] == '\n');
        head = "";
    } while (*line);
}

void command_usage(const char *name, FILE *to)
{
    print_usage(command_find(name), to);
    fprintf(to, "`workcell %s --help` says more.\n", name);
}

void command_help(const struct command *c, FILE *to)
{
    print_usage(c, to);
    fprintf(to, "\n%s", c->text);
    if (c->more)
        c->more(to);
}

void commands_list(FILE *to)
{
    fputs("usage: workcell COMMAND [words and options]\n\n", to);
    for (const struct command *c = commands; c->name; c++)
        fprintf(to, "  %-12s %s\n", c->name, c->summary);
    fputs("\n`workcell COMMAND --help` says more of each; `workcell serve --help` lists the settings.\n", to);
}
