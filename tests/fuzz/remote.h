/* remote.h - a Robot of the transfer role against a server that answers whatever the input says: each request gets the
 * next answer, "STATUS\nname: value\n...\n\nbody", with lines of "%%" between them. Status 0: the connection broke. The
 * host's half of robot.h is here as well. */
#pragma once
#include "fuzz.h"
#include "http/client.h"
#include "robot/robot.h"

struct robot_job *remote_job(const struct robot *robot, struct bytes *answers, const void *file, size_t len); /* file: of its one input */
void remote_done(struct robot_job *job);
/* In the place of the answers: what is said to this request, to be freed. NULL: nothing more. With the header "broken"
 * the connection breaks behind its body. */
extern char *(*remote_server)(const struct http_client_request *req);
extern void (*remote_emitted)(const char *path); /* looks at each file that is emitted; NULL: nobody does */
json_t *remote_token(const struct robot_job *job); /* what Robot.undo would get now; NULL: nothing */
