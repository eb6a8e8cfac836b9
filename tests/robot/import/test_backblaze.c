#include "../s3_bed.h"

S3_BED_IMPORT(.name = "backblaze",
              .place = "\"bucket\": \"b\", \"app_key_id\": \"k\", \"app_key\": \"hush-hush\"")
