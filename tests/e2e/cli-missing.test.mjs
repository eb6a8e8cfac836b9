import { testMissingRobots } from './cli.mjs'

testMissingRobots('@transloadit/node')
