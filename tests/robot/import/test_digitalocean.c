#include "../s3_bed.h"

S3_BED_IMPORT(
        .name = "digitalocean",
        .place =
            "\"space\": \"b\", \"region\": \"ams3\", \"key\": \"k\", \"secret\": \"hush-hush\"")
