// The official clients, for tests outside this directory: their packages are installed here only.
export { Transloadit } from 'transloadit'
export * as tus from 'tus-js-client'
export { ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3'
