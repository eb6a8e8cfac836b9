#include "../s3_bed.h"

S3_BED_STORE(.name = "wasabi",
             .place = "\"bucket\": \"b\", \"bucket_region\": \"eu-west-1\", "
                      "\"key\": \"k\", \"secret\": \"hush-hush\"",
             .acl = "private", .denied = "WORKER_JOB_ERROR", .failed = "WORKER_JOB_ERROR")
