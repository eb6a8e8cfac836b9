#include "../s3_bed.h"

S3_BED_STORE(.name = "swift",
             .place =
                 "\"bucket\": \"b\", \"host\": \"HOST\", \"key\": \"k\", \"secret\": \"hush-hush\"",
             .acl = "public-read", .denied = "WORKER_JOB_ERROR", .failed = "WORKER_JOB_ERROR")
