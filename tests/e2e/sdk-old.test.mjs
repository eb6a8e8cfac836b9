import { testMethods } from './sdk.mjs'

testMethods('transloadit')
