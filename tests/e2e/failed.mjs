// Which test files have failed: each adds its name to the file that FAILED_FILES names. dev/test runs them again, alone.
import fs from 'node:fs'

const { FAILED_FILES, NODE_TEST_CONTEXT } = process.env
if (FAILED_FILES && NODE_TEST_CONTEXT)
  process.on('exit', (code) => { if (code) fs.appendFileSync(FAILED_FILES, `${process.argv[1]}\n`) })
