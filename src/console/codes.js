// What a code means for whoever reads it: one sentence on what to do. The server's own message stands beside it.
const what = {
  ASSEMBLY_UPLOADING: 'Files are still coming in.',
  ASSEMBLY_EXECUTING: 'The Robots are at work.',
  ASSEMBLY_REPLAYING: 'A copy of an earlier Assembly is starting.',
  ASSEMBLY_COMPLETED: 'Everything that was asked for is done.',
  ASSEMBLY_CANCELED: 'Somebody canceled it; the receipt says what was stopped.',
  REQUEST_ABORTED: 'The upload broke off. Send the files again, or use resumable uploads, which survive that.',
  ASSEMBLY_EXPIRED: 'It ran out of time: look whether an upload never finished, and start it again.',
  ASSEMBLY_CRASHED: 'The server ended while it ran and could not go on. Replay it.',
  ASSEMBLY_NOT_FOUND: 'Check the id. Old Assemblies are forgotten after a while.',
  ASSEMBLY_JOBS_NOT_FOUND: 'Its events went together with its files; the status is what is kept.',
  ASSEMBLY_NOT_FINISHED: 'Wait until it is over, or cancel it, and try again.',
  ASSEMBLY_CANNOT_BE_REPLAYED: 'Its files are gone, or never became complete. Upload them again.',
  ASSEMBLY_ACCOUNT_MISMATCH: 'It belongs to another workspace. Sign in with a key of that one.',
  ASSEMBLY_NO_STEPS: 'Add `steps`, or name a Template with `template_id`.',
  ASSEMBLY_INVALID_STEPS: '`steps` must be an object: a name for each step.',
  ASSEMBLY_EMPTY_STEPS: 'Add at least one step.',
  ASSEMBLY_STEP_INVALID: 'A step must be an object with a `robot`.',
  ASSEMBLY_STEP_NO_ROBOT: 'Say which Robot does the step, for example "/image/resize".',
  ASSEMBLY_STEP_INVALID_ROBOT: 'The Robot must be a text such as "/image/resize".',
  ASSEMBLY_STEP_UNKNOWN_ROBOT: 'This server has no such Robot: it is spelled otherwise, or it is one that is not built here. The playground lists those that are.',
  ASSEMBLY_STEP_INVALID_USE: '`use` is the name of a step, a list of names, or an object with `steps`.',
  ASSEMBLY_STEP_UNKNOWN_USE: '`use` names a step that is not there. Files that you upload come from ":original".',
  ASSEMBLY_INFINITE: 'The steps use each other in a circle. Break it.',
  INVALID_STEP_NAME: 'Give the step another name; ":original" is kept for uploads.',
  INVALID_UPLOAD_HANDLE_STEP_NAME: 'Call the step of /upload/handle ":original".',
  ROBOT_VALIDATION_BASE_ERROR: 'Correct the parameter that the message names.',
  MAX_SIZE_EXCEEDED: 'Send smaller files, or raise `auth.max_size`.',
  MAX_NUMBER_OF_FILES_EXCEEDED: 'Send fewer files, or raise `auth.max_number_of_files`.',
  ASSEMBLY_MEMORY_LIMIT_EXCEEDED: 'The status became too large: split the work over several Assemblies.',
  FILE_META_DATA_ERROR: 'The file could not be read at all. Look whether it is damaged.',
  INVALID_INPUT_ERROR: 'The file is not what its name says, or is damaged. Open it elsewhere and save it again.',
  INTERNAL_COMMAND_ERROR: 'A tool gave up on the file. The details below are its own words.',
  INTERNAL_COMMAND_TIMEOUT: 'The job took longer than it may. Ask for less (a smaller size, a faster format), or raise the limit.',
  USER_COMMAND_ERROR: 'What was asked for can not be done with this file. Check the parameters of the step.',
  WORKER_JOB_ERROR: 'The worker process ended during the job, twice: most often for lack of memory. Try a smaller file.',
  IMPORT_FILE_ERROR: 'The file could not be fetched. Open its address yourself.',
  HTTP_IMPORT_NOT_FOUND: 'There is nothing at the address. Check it.',
  HTTP_IMPORT_ACCESS_DENIED: 'The other server refused, or the address is private. An operator can allow private ones with --import-allow.',
  HTTP_IMPORT_FAILURE: 'The other server failed or broke off. Try again later.',
  S3_STORE_ACCESS_DENIED: 'The bucket refused. Check key, secret, bucket and region of the credentials.',
  S3_STORE_FAILURE: 'The store failed. Check its address, then try again.',
  S3_STORE_URL_VERIFICATION_FAILURE: 'The file was stored, but its address does not answer. Check `url_prefix` and `acl`.',
  TEMPLATE_CREDENTIALS_INJECTION_ERROR: 'Create credentials of that name, or correct `credentials` in the step.',
  TEMPLATE_NOT_FOUND: 'Create the Template, or correct `template_id`.',
  TEMPLATE_DENIES_STEPS_OVERRIDE: 'The Template is final: leave `steps` out of the request.',
  TEMPLATE_VALIDATION_ERROR: 'Names have lower-case letters, digits and dashes, and each exists once.',
  INVALID_TEMPLATE_FIELD: 'The Template must be a JSON object with `steps`.',
  TEMPLATE_CREDENTIALS_NOT_CREATED: 'Use a new name of four or more letters, digits or dashes, and fill every field of the type.',
  TEMPLATE_CREDENTIALS_NOT_UPDATED: 'Use a free name of four or more letters, digits or dashes, and fill every field of the type.',
  ASSEMBLY_INVALID_NOTIFY_URL: '`notify_url` must begin with http:// or https://.',
  ASSEMBLY_NO_NOTIFY_URL: 'The Assembly had no `notify_url`: nothing was ever sent.',
  ASSEMBLY_NOTIFICATION_NOT_REPLAYED: 'The receiver did not answer with 2xx. Look at it, then replay again.',
  GET_ACCOUNT_UNKNOWN_AUTH_KEY: 'There is no such Auth Key. Check that all of it was copied.',
  INVALID_SIGNATURE: 'The secret does not belong to this key. Check that all of it was copied.',
  AUTH_EXPIRED: 'The clock of this computer is far off. Set it.',
  INSUFFICIENT_AUTH_SCOPE: 'This Auth Key may not do that. Use one with the scope that the message names.',
  RATE_LIMIT_REACHED: 'Too many at a time. Wait a few seconds.',
  CANNOT_ACCEPT_NEW_ASSEMBLIES: 'The server is shutting down or its disk is full. An operator must look.',
  NO_ANSWER: 'Is the server running? This page asks again by itself.',
}

export function explain(code) {
  if (what[code]) return what[code]
  if (/_VALIDATION(_ERROR)?$/.test(code ?? '')) return 'Correct the parameter of the step that the message names.'
  if (/_INVALID_INPUT$/.test(code ?? '')) return what.INVALID_INPUT_ERROR
  return null
}

// One word, and which colour it has.
export function state(ok, error) {
  if (error) return { word: error === 'ASSEMBLY_EXPIRED' ? 'Expired' : 'Failed', kind: 'failed', busy: false }
  switch (ok) {
    case 'ASSEMBLY_UPLOADING': return { word: 'Uploading', kind: 'running', busy: true }
    case 'ASSEMBLY_EXECUTING':
    case 'ASSEMBLY_REPLAYING': return { word: 'Running', kind: 'running', busy: true }
    case 'ASSEMBLY_COMPLETED': return { word: 'Completed', kind: 'done', busy: false }
    case 'ASSEMBLY_CANCELED': return { word: 'Canceled', kind: 'canceled', busy: false }
    case 'REQUEST_ABORTED': return { word: 'Aborted', kind: 'canceled', busy: false }
    default: return { word: ok ?? 'Unknown', kind: 'canceled', busy: false }
  }
}
