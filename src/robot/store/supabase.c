/* /supabase/store: put files into a bucket of Supabase Storage, which knows no ACLs. */
#include "transfer/s3_robot.h"

S3_TABLE(supabase, store, S3_STORE_ROWS(s3_regional_rows))
const struct robot robot_store_supabase = {
    .role = ROLE_TRANSFER, S3_STORE(supabase, "Supabase Storage", S3_PLAIN), S3_STORE_PRICE};
