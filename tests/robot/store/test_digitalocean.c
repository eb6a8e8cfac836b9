#include "../s3_bed.h"

S3_BED_STORE(
        .name = "digitalocean",
        .place =
            "\"space\": \"b\", \"region\": \"ams3\", \"key\": \"k\", \"secret\": \"hush-hush\"",
        .acl = "public-read", .denied = "DIGITALOCEAN_STORE_ACCESS_DENIED",
        .failed = "WORKER_JOB_ERROR", .url = "https://b.ams3.digitaloceanspaces.com/x/a%20b.txt")
