/* /supabase/import: fetch files out of a bucket of Supabase Storage. */
#include "transfer/s3_robot.h"

S3_TABLE(supabase, import, S3_IMPORT_ROWS(s3_regional_rows))
const struct robot robot_import_supabase = {
    .role = ROLE_TRANSFER, S3_IMPORT(supabase, "Supabase Storage", S3_PLAIN), IMPORT_PRICE};
