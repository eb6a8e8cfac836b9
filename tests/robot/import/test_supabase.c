#include "../s3_bed.h"

S3_BED_IMPORT(
        .name = "supabase", .folder = "/storage/v1/s3",
        .place = "\"bucket\": \"b\", \"host\": \"HOST\", \"key\": \"k\", \"secret\": \"hush-hush\"")
