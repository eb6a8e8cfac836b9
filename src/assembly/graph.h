/* graph.h - which jobs follow from a file: the step graph of one Assembly. Private to assembly/. */
#pragma once
#include "assembly/assembly.h"

/* A file of step f->step exists and is complete: every step that uses it and takes its type gets a
 * job, or keeps it for its bundle. */
void graph_file_ready(struct assembly *a, struct file *f, int step, int64_t at_us,
                      struct effects *fx);
/* Jobs of steps that need no input. Once, when the Assembly begins. */
void graph_start_sources(struct assembly *a, int64_t at_us, struct effects *fx);
/* Bundling steps whose sources can give no more files get their jobs. */
void graph_flush_bundles(struct assembly *a, int64_t at_us, struct effects *fx);
/* A job that only reads metadata (uploads; files of imports). */
/* Of an import's file: another file of a probe that has not begun, if there is one. */
struct job *graph_add_probe(struct assembly *a, struct file *f, int step, int64_t at_us,
                            struct effects *fx);

/* A job that downloads a file as an upload; request: data of the file_added event. */
/* A probe of several files failed: each of those that it has not told of gets one of its own, so that the bad one is
 * found. */
void graph_split_probe(struct assembly *a, const struct job *j, int64_t at_us, struct effects *fx);
/* A job that evaluates the `user_meta` of j's step for f; what follows for f waits for it. */
void graph_add_note(struct assembly *a, struct file *f, const struct job *j, enum job_note then, json_t *about,
                    int64_t at_us, struct effects *fx);
struct job *graph_add_fetch(struct assembly *a, json_t *request, int64_t at_us, struct effects *fx);

