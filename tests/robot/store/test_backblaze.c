#include "../s3_bed.h"

S3_BED_STORE(.name = "backblaze",
             .place = "\"bucket\": \"b\", \"app_key_id\": \"k\", \"app_key\": \"hush-hush\"",
             .denied = "BACKBLAZE_STORE_ACCESS_DENIED", .failed = "BACKBLAZE_STORE_FAILURE",
             .unsigned_ = true, .type = "text/plain")
