#include "../s3_bed.h"

S3_BED_STORE(.name = "supabase",
             .place =
                 "\"bucket\": \"b\", \"host\": \"HOST\", \"key\": \"k\", \"secret\": \"hush-hush\"",
             .denied = "WORKER_JOB_ERROR", .failed = "WORKER_JOB_ERROR", .folder = "/storage/v1/s3")
