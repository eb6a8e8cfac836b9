import { testMethods, testTheRest } from './sdk.mjs'

testMethods('@transloadit/node')
testTheRest()
