/* commands.h - what `workcell NAME` does, one function a command. All return the exit code. */
#pragma once

/* admin.c: what is in the data directory, while no server runs on it */
int command_credential(int argc, char **argv);
int command_template(int argc, char **argv);
int command_workspace(int argc, char **argv);
int command_key(int argc, char **argv);
int command_robots(void);
int command_openapi(void);
/* 0 completed, 1 the Assembly failed, 2 wrong use, 3 the server inside could not work, 130 canceled. */
int command_run(int argc, char **argv);
/* 0 clean, 1 findings (repaired or not), 2 could not look. */
int command_fsck(int argc, char **argv);
/* 0 all is well, 1 something fails, 2 wrong use. */
int command_doctor(int argc, char **argv);
