#include "../s3_bed.h"

S3_BED_IMPORT(.name = "mega", .place = "\"bucket\": \"b\", \"bucket_region\": \"eu-west-1\", "
                                       "\"key\": \"k\", \"secret\": \"hush-hush\"")
