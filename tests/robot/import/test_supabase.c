#include "../s3_bed.h"

S3_BED_IMPORT(
        .name = "supabase",
        .place = "\"bucket\": \"b\", \"host\": \"HOST\", \"key\": \"k\", \"secret\": \"hush-hush\"")
