/* commands.h - what `workcell NAME` does, one function a command. All return the exit code. main.c answers --help of
 * each (help.c has the texts) before its function is called. */
#pragma once
#include "base/near.h"

#include <stdio.h>

#define WORKCELL_VERSION "0.1.0"

struct command {
    const char *name;
    const char *usage;   /* what follows "workcell NAME "; several forms are lines of their own */
    const char *summary; /* for the list of all */
    const char *text;    /* what it does, its options, examples, exit codes */
    void (*more)(FILE *to); /* what is made of tables; may be NULL */
    int (*run)(int argc, char **argv);
};

/* ---- help.c ---- */
extern const struct command commands[]; /* name NULL at the end */
const struct command *command_find(const char *name); /* NULL: there is none */
void command_usage(const char *name, FILE *to);
void command_help(const struct command *c, FILE *to);
void commands_list(FILE *to);

int command_serve(int argc, char **argv);
int command_renew(int argc, char **argv); /* renew.c: not for people */
/* admin.c: what is in the data directory, while no server runs on it. 0 done, 1 refused or failed, 2 wrong use. */
int command_credential(int argc, char **argv);
int command_template(int argc, char **argv);
int command_workspace(int argc, char **argv);
int command_key(int argc, char **argv);
int command_ssh_key(int argc, char **argv); /* admin_ssh.c */
/* 0 nothing would be refused, 1 something would, 2 wrong use. */
int command_check(int argc, char **argv);
int command_robots(int argc, char **argv);
int command_openapi(int argc, char **argv);
int command_version(int argc, char **argv);
/* 0 completed, 1 the Assembly failed, 2 wrong use, 3 the server inside could not work, 130 canceled. */
int command_run(int argc, char **argv);
/* 0 clean, 1 findings (repaired or not), 2 could not look. */
int command_fsck(int argc, char **argv);
/* 0 all is well, 1 something fails, 2 wrong use. */
int command_doctor(int argc, char **argv);
