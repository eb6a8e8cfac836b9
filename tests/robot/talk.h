/* talk.h - a service of a test's own: it is asked what the test expects, in that order, and answers what the test
 * says. */
#pragma once
#include "host.h"
#include "origin.h"

struct talk_turn {
    const char *asks; /* "METHOD /target": the beginning of it */
    const char *with; /* stands in its headers or body; NULL: anything goes */
    int status;
    const char *headers, *answer; /* NULL: none. headers: whole lines; a %s is the service's host */
};
struct talk {
    const struct talk_turn *turns; /* ended by one without asks */
    int at;
    char wrong[600];
    const char *host;
    struct origin *origin;
    struct robot_job *job;
};
/* A job of the Robot with one input of this text (NULL: none), which finds the service under this name. */
void talk_begin(struct talk *t, const struct talk_turn *turns, const char *robot, const char *service,
                const char *input);
/* Runs it: code is that of its failure, NULL: it goes. says: is in its words. Fails the test when the talk was
 * another. */
void talk_run(struct talk *t, const char *step, const char *code, const char *says);
void talk_undo(struct talk *t, const char *step, const char *token);
void talk_end(struct talk *t);
/* Would these parameters be refused, with these words? NULL: they are fine. Nobody is asked. */
void talk_checks(const char *robot, const char *step, const char *says);
