/* file_answer.h - an answer that is a file: conditional and range requests, and the headers that keep what users made
 * from acting in this origin's name. */
#pragma once
#include "http/server.h"

#include <stdint.h>

/* etag with its quotes; type: Content-Type, NULL: none known. fd is taken over, whatever the answer is. The caller adds
 * its headers and sends it. modified_s 0: not known. */
struct file_answer {
    const char *etag, *type;
    int fd;
    int64_t size, modified_s;
    const char *modified; /* the same as text; NULL: it is made */
    const char *bytes;    /* its contents, in the place of fd: lent until release(arg); NULL: they are in fd */
    void (*release)(void *arg);
    void *arg;
};
struct http_response *file_answer_new(struct http_request *req, const struct file_answer *file);

/* Nothing in it runs: no script, no form, no frame of ours. For files that lie in the origin of the console. */
void file_answer_sandbox(struct http_response *r);
