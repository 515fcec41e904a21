// The quick way to the AWS provider's bindings, Node's side (lib/stacks/aws_provider.py has Python's).
// Their index requires 2,200 modules, two thirds of a synth's time. Here, each waits for its first use.
"use strict";

const Module = require("node:module");

const INDEX = /[\\/]provider-aws[\\/](?:.*[\\/])?lib[\\/]index\.js$/;
const load = Module._load;

Module._load = function (request, parent, isMain) {
  if (!request.startsWith("./") || !INDEX.test(parent?.filename ?? "")) {
    return load.call(this, request, parent, isMain);
  }
  let loaded;
  return new Proxy({}, { get: (_, name) => (loaded ??= load.call(this, request, parent, false))[name] });
};
