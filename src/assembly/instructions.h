/* instructions.h - Assembly Instructions: `steps` parsed and checked (api-instructions.md 1, 2, 6, 7).
 * Pure: no I/O, no clock. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "robot/robot.h"

#define STEP_ORIGINAL 0 /* steps[0] is always :original, declared or not */

enum ignore { IGNORE_META = 1, IGNORE_EXECUTE = 2, IGNORE_IMPORT = 4, IGNORE_ALL = 7 };

/* One entry of `use`: files of `step` flow to the step that has it. */
struct use {
    int step;            /* index into instructions.steps */
    const char *as;      /* label, "" without */
    const char *field;   /* only files of this form field, NULL: all */
    bool side;           /* its file goes into each job beside the others, instead of having one of its own */
};

struct step {
    const char *name;
    const struct robot *robot;
    json_t *params; /* the step's object, borrowed from instructions.root */
    struct use *uses;
    int use_count;
    const json_t *fields; /* array: only files of these form fields; NULL: all */
    bool declared;        /* false: the :original that nobody wrote */
    bool bundle;          /* one job for all files of all sources */
    bool group_by_original;
    bool result;          /* result: true */
    bool leaf;            /* no other step uses it */
    bool force_accept;
    bool batch;
    bool hidden;          /* nobody wrote it: it fetches what a parameter of another step names by its address
                             (option.h, `fetched`), and is called like that one, as its failures are. Behind all
                             others. */
    bool has_expression;  /* some ${...} is in its parameters... */
    bool needs_engine;    /* ...that is more than a plain lookup, whatever the variables are */
    unsigned ignore;      /* enum ignore */
};

struct instructions {
    struct arena *arena;
    json_t *root; /* the `steps` object */
    struct step *steps;
    int count;
    bool needs_meta; /* some step may ask for any of its input's meta: none begins before all of it is known */
};

/* steps: value of the merged instructions' `steps` (NULL when there is none); a reference is kept.
 * On failure *bad_step is the name of the step at fault (lent from steps) or NULL.
 * Errors: every code of api.md 5.4 that concerns steps. */
MUST_CHECK int instructions_parse(struct instructions **out, json_t *steps, const char **bad_step,
                                  struct err *err);
void instructions_free(struct instructions *in);
DEFINE_AUTO(struct instructions *, instructions_free)

/* How many of its uses are files that go into each job. */
int step_sides(const struct step *s);
/* Does a file with this form field pass the filters of the step's i-th use? */
bool step_wants_field(const struct step *s, int use, const char *field);
