/* engine.h - JavaScript of clients: ${...} in parameters and /script/run, evaluated by JavaScriptCore without its
 * compilers (JIT, WebAssembly).
 *
 * Each evaluation is a child of this process, which is a copy of a warm engine: it has one pipe to answer by, a list
 * of system calls that opens, starts and reaches nothing, and ends with the evaluation. So this process never runs a
 * byte of a client's program itself, no evaluation sees what an earlier one left, and whatever a program does to the
 * engine ends with its child. The limits are held from outside the engine: processor time by the kernel, memory and
 * time by a timer in the child, the length of the answer here. */
#pragma once
#include "base/err.h"
#include "base/json.h"

#define SCRIPT_CPU_S       1          /* of all that one evaluation does */
#define SCRIPT_WALL_S      20         /* on a busy machine: until it has had its second */
#define SCRIPT_VALUE_BYTES (64 << 10) /* of all values of an evaluation, as JSON */
#define SCRIPT_VALUES      10000
#define SCRIPT_DEPTH       20

struct script_work {
    const json_t *expressions; /* array of {code, text, of}: text true asks for what stands between other text */
    const char *program;       /* instead: its last value is the result */
    const json_t *variables;   /* object: names that are in scope */
    const json_t *inputs;      /* array of more of them, for expressions with `of`, its index here; may be NULL */
    int64_t memory_bytes;      /* 0: 128 MB */
};

/* Load and warm the engine, once, before a process that evaluates is forked from this one. No thread is left. */
void script_begin(void);

/* See the last child end, and have another wait for the next evaluation, which then need not wait for one. Where it
 * costs nobody's time. */
void script_ready(void);

/* *values: an array with a value for each expression (null: undefined, a function of nothing), or the one of the
 * program; the caller's. Blocks until the child has answered or ended.
 * Errors: ERR_ROBOT_VALIDATION, without a Robot's name: the text says which expression and why (what it threw, which
 * limit it passed). ERR_IO, ERR_WORKER: there was no evaluation. */
MUST_CHECK int script_evaluate(json_t **values, const struct script_work *work, struct err *err);
