/* option.h - a Robot's parameters as a table (style.md section 3). One row drives parsing, defaults,
 * ranges, error texts, documentation and fuzzing. A row that points at a field of another type does
 * not compile. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"

#include <stddef.h>

enum opt_type { OPT_TYPE_END, OPT_TYPE_INT, OPT_TYPE_NUM, OPT_TYPE_BOOL, OPT_TYPE_ENUM,
                OPT_TYPE_STR, OPT_TYPE_JSON, OPT_TYPE_GROUP };

struct opt_choice {
    const char *name; /* NULL ends the list */
    int value;
};

struct option {
    const char *name;
    enum opt_type type;
    size_t offset;
    bool required;
    bool nullable;   /* an explicit null counts as not given */
    bool px_suffix;  /* INT: "200px" is 200; a text with an x inside is invalid */
    bool secret;     /* its value must not appear in an error text */
    bool unsupported; /* known parameter of the contract that is not built: refused, unless it asks for
                         nothing: null, its default (def_str, JSON) or without the one named by part_of */
    const char *instead; /* of an unsupported one: what can be done in its place. NULL: nothing is known */
    const char *part_of;
    bool each;       /* filled in for each input of a job by itself: see robot_input.params */
    bool script;     /* JSON: a text must be one ${...}, whose value counts; `check` looks at a list even while it
                        holds some */
    const char *undefined; /* JSON text of what counts when the only ${...} is undefined; NULL: as if not given */
    const char *null_is; /* ENUM: null is this choice, and not the default */
    bool dashes;     /* ENUM: a _ in a value counts as a - */
    bool literal;    /* a ${...} in it is text, unless the Step's `interpolate` says otherwise */
    double min, max; /* INT, NUM: inclusive; both 0 means no limit, max alone is a range from 0. INT takes 3, 3.0 and "3" */
    int64_t def;     /* INT, BOOL, ENUM */
    double def_num;  /* NUM */
    const char *def_str; /* STR; JSON: JSON text of the default */
    const struct opt_choice *choices; /* ENUM */
    const struct option *group;       /* GROUP: the rows of an embedded struct */
    const char *pattern; /* STR: POSIX extended regular expression the value must match */
    const char *fetched; /* STR: the address of a file, which is fetched before and comes as an input with this `as` */
    const char *code;    /* the Robot's code for a wrong value, without its name: "INVALID_COUNT_VALUE"; NULL: "VALIDATION" */
    const char *other_default; /* why the default is not the contract's; NULL: it is */
    const char *idle;   /* why it changes nothing here; NULL: it does */
    const char *beyond; /* why it is there although the contract does not have it; NULL: it has */
    const char *unit;
    const char *help;
    const char *example; /* JSON of a value that is not the default, where its type alone would not give one */
};

/* JSON fields are `json_t *`, borrowed from the step (or from the arena for a default); NULL: absent. */
#define OPT_ROW(T, f, ctype, kind, ...)                                                            \
    {                                                                                              \
        .name = #f, .type = kind, .offset = _Generic(((T *)0)->f, ctype: offsetof(T, f)),          \
        __VA_ARGS__                                                                                \
    }
#define OPT_INT(T, f, ...) OPT_ROW(T, f, int64_t, OPT_TYPE_INT, __VA_ARGS__)
#define OPT_NUM(T, f, ...) OPT_ROW(T, f, double, OPT_TYPE_NUM, __VA_ARGS__)
#define OPT_BOOL(T, f, ...) OPT_ROW(T, f, bool, OPT_TYPE_BOOL, __VA_ARGS__)
#define OPT_ENUM(T, f, list, ...)                                                                  \
    OPT_ROW(T, f, int, OPT_TYPE_ENUM, .choices = (list), __VA_ARGS__)
#define OPT_STR(T, f, ...) OPT_ROW(T, f, const char *, OPT_TYPE_STR, __VA_ARGS__)
#define OPT_JSON(T, f, ...) OPT_ROW(T, f, json_t *, OPT_TYPE_JSON, __VA_ARGS__)
/* Parameters that several Robots share: the rows of table, for the struct `member` of type ctype in T. Groups may hold groups. */
#define OPT_GROUP(T, member, ctype, table)                                                         \
    {.type = OPT_TYPE_GROUP, .offset = _Generic(((T *)0)->member, ctype: offsetof(T, member)),     \
     .group = (table)}
/* A parameter of the contract that we do not have yet: refused by name, never ignored. Schemas of the
 * SDK write out every default, though, and a default asks for nothing. */
#define OPT_UNSUPPORTED(n, ...)                                                                    \
    {.name = (n), .type = OPT_TYPE_JSON, .unsupported = true, __VA_ARGS__}
#define OPT_END {0}

/* Every row of a table, those of its groups in their place:
 *     for (struct opt_walk w = opt_walk(table); (o = opt_next(&w));)
 * w.offset is where the row's field lies in the outermost struct. */
#define OPT_DEPTH 4
struct opt_walk {
    const struct option *at[OPT_DEPTH];
    size_t base[OPT_DEPTH], offset;
    int depth;
};
struct opt_walk opt_walk(const struct option *table);
const struct option *opt_next(struct opt_walk *w);
/* The row of that name, NULL: there is none. */
const struct option *option_find(const struct option *table, const char *name);

/* Fill *opts (already zeroed) from step, the step's JSON object. Keys that every Robot shares (robot,
 * use, result, queue, output_meta, user_meta, force_accept, ignore_errors, interpolate) are skipped.
 * partial: values that hold a ${...} are not looked at (the check when an Assembly is created).
 * Errors: ERR_ROBOT_VALIDATION, msg names parameter, value and limit; err->name is the code of the row, or "". The caller puts
 * the Robot's name before it. Strings live in a. */
MUST_CHECK int options_fill(void *opts, struct arena *a, const struct option *table,
                            const json_t *step, bool partial, struct err *err);
/* One parameter by itself, given in step or not: for who wants to know all that is wrong. The same errors. */
MUST_CHECK int option_try(const struct option *table, const char *key, const json_t *step, bool partial,
                          struct err *err);
/* Does any text in v hold a ${...}? */
bool options_have_expression(const json_t *v);
/* Of a step as the client wrote it: rows that may be a script hold null, a list or one ${...}. Errors as above. */
MUST_CHECK int options_check_scripts(const struct option *table, const json_t *step, struct err *err);
/* Parameters of step that are missing in filled, where their ${...} was undefined, become what their row says. */
void options_fill_undefined(json_t *filled, const struct option *table, const json_t *step);
