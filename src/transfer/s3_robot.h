/* s3_robot.h - what makes a Robot of a service that speaks like S3: its file says how the service
 * is called and which parameters it has. What is run is in workcell-transfer only. */
#pragma once
#include "transfer/s3_service.h"

int s3_store_run(struct robot_job *job, const void *opts, struct err *err);
int s3_store_undo(struct robot_job *job, const void *opts, const json_t *token, struct err *err);
int s3_store_trial(struct robot_job *job, const void *opts, struct err *err);
int s3_import_run(struct robot_job *job, const void *opts, struct err *err);

/* Of a file: its table of parameters, and the check of them that the service has. */
#define S3_TABLE(service, kind, ...)                                                               \
    static const struct option options[] = {__VA_ARGS__, OPT_END};                                 \
    static int service##_##kind##_check(const void *opts, bool partial, struct err *err)           \
    {                                                                                              \
        return s3_check_##kind(s3_service_of(#service), opts, partial, err);                       \
    }

/* Members of the record; place: what of its example says where the bucket is. */
#define S3_STORE(service, title, place)                                                            \
    .name = "/" #service "/store", .summary = "Store files in " title, .is_store = true,           \
    .credentials = #service, .opts_size = sizeof(struct s3_store_opts), .options = options,        \
    .example = "{" place "}", .check = service##_store_check, .run = IN_WORKER(s3_store_run),      \
    .undo = IN_WORKER(s3_store_undo), .trial = IN_WORKER(s3_store_trial)
#define S3_IMPORT(service, title, place)                                                           \
    .name = "/" #service "/import", .summary = "Import files from " title,                         \
    .credentials = #service, IMPORT_RECORD(struct s3_import_opts),                                 \
    .example = "{" place ", \"path\": \"a/b.jpg\"}", .check = service##_import_check,              \
    .run = IN_WORKER(s3_import_run)
/* As the contract has them for all but S3 itself. */
#define S3_STORE_PRICE .price_factor = 6.6666, .slots = 10

/* Groups of a table. */
#define S3_STORE_PLACE(rows) OPT_GROUP(struct s3_store_opts, place, struct s3_place, rows)
#define S3_IMPORT_PLACE(rows) OPT_GROUP(struct s3_import_opts, place, struct s3_place, rows)
#define S3_GROUP(rows)                                                                             \
    {                                                                                              \
        .type = OPT_TYPE_GROUP, .group = (rows)                                                    \
    } /* of the whole struct */
#define S3_STORE_ROWS(place) S3_STORE_PLACE(place), S3_GROUP(s3_store_rows)
#define S3_IMPORT_ROWS(place)                                                                      \
    S3_IMPORT_PLACE(place), S3_GROUP(s3_import_rows), S3_GROUP(s3_page_rows)

/* Where a bucket is, for an example. */
#define S3_KEYS "\"key\": \"k\", \"secret\": \"s\""
#define S3_PLAIN "\"bucket\": \"b\", \"host\": \"s3.example\", " S3_KEYS
#define S3_AWS "\"bucket\": \"b\", \"bucket_region\": \"us-east-1\", " S3_KEYS
#define S3_SPACE "\"space\": \"b\", \"region\": \"ams3\", " S3_KEYS
#define S3_APP_KEY "\"bucket\": \"b\", \"app_key_id\": \"k\", \"app_key\": \"s\""
