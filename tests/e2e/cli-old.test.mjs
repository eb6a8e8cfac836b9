import { testCommandLine } from './cli.mjs'

testCommandLine('transloadit')
