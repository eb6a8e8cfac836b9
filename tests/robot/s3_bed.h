/* s3_bed.h - a bucket of a test's own that speaks as much of S3 as the Robots need, and can be made
 * to misbehave. It checks no signature: that is done with a real one, tests/e2e/s3.test.mjs. */
#pragma once
#include "../unit/unit.h"
#include "host.h"
#include "origin.h"

#define S3_BED_OBJECTS 40
struct s3_bed {
    struct s3_bed_object {
        const char *key, *body;
        const char *headers; /* more of them, whole lines; NULL: none */
        const char *etag;    /* with quotes; NULL: "\"e\"" and the body's length */
    } objects[S3_BED_OBJECTS];
    int page;              /* keys of a list; 0: 1000 */
    const char *list;      /* in the place of each list; NULL: none */
    int fails, status;     /* so many requests get this status first; 0: the connection breaks */
    const char *fail_head; /* with these lines */
    const char *fail_body;
    int cut, cuts;                  /* bytes after which so many answers break off */
    void (*then)(struct s3_bed *b); /* called after each answer with an object */
    bool no_ranges, no_match;
    char said[8000]; /* method, target and, where there are, range and if-match of each request, a
                        line each */
    char headers[4000]; /* of the last that put something */
    char object[4000];
};
void s3_bed_answer(void *ctx, const struct origin_request *q, struct str *out);

/* A job whose requests may go to the bed. input: the text of a file; NULL: none. */
struct robot_job *s3_bed_job(const char *input);
/* The text of a file that came out. */
const char *s3_bed_text(struct robot_job *j, int i);
/* run, with what must come of it. step: JSON without braces; "HOST" in it is the bed's address with
 * scheme. */
void s3_bed_runs(struct robot_job *j, const struct origin *o, const char *robot, const char *step);
void s3_bed_fails(struct robot_job *j, const struct origin *o, const char *robot, const char *step,
                  const char *code, const char *says);

/* What holds for each service: place are its parameters that say where the bucket b is. Its
 * stand-in is set. These are whole tests, for main(). */
struct s3_bed_service {
    const char *name, *place;
    const char *acl;             /* that is sent; NULL: none */
    const char *denied, *failed; /* codes of the store */
    const char *url, *type;      /* NULL: that of the bed; the Content-Type of a file */
    const char *folder;          /* in front of the bucket; NULL: none */
    bool unsigned_;              /* it has no sign_urls_for */
};
int s3_bed_store(const struct s3_bed_service *s);
int s3_bed_import(const struct s3_bed_service *s);
#define S3_BED_STORE(...)                                                                          \
    int main(void) { return s3_bed_store(&(struct s3_bed_service){__VA_ARGS__}); }
#define S3_BED_IMPORT(...)                                                                         \
    int main(void) { return s3_bed_import(&(struct s3_bed_service){__VA_ARGS__}); }
