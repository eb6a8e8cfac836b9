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
struct job *graph_add_probe(struct assembly *a, struct file *f, int step, int64_t at_us,
                            struct effects *fx);

/* A job that downloads a file as an upload; request: data of the file_added event. */
struct job *graph_add_fetch(struct assembly *a, json_t *request, int64_t at_us, struct effects *fx);

