#include "../s3_bed.h"

S3_BED_STORE(.name = "mega",
             .place = "\"bucket\": \"b\", \"bucket_region\": \"eu-west-1\", "
                      "\"key\": \"k\", \"secret\": \"hush-hush\"",
             .acl = "public-read", .denied = "WORKER_JOB_ERROR", .failed = "WORKER_JOB_ERROR")
