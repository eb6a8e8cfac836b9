#include "../s3_bed.h"

S3_BED_IMPORT(
        .name = "swift",
        .place = "\"bucket\": \"b\", \"host\": \"HOST\", \"key\": \"k\", \"secret\": \"hush-hush\"")
