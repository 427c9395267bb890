// Signs and verifies with the vendor's npm package.
//   node svix.mjs sign SECRET ID TIMESTAMP < body                     prints the signature
//   node svix.mjs verify SECRET ID TIMESTAMP SIGNATURE [NOW] < body   prints ok (exit 0) or why not (exit 1)
//   node svix.mjs batch < lines                                       one JSON answer for each JSON line
// A line: {op: "sign"|"verify", secret, id, timestamp, body_base64[, signature, now, family]};
// its answer: {signature}, {ok: true} or {error}. family is "svix" (default) or "webhook".
// Times are Unix seconds. The package compares the timestamp with the clock, which NOW replaces.
// It reads bodies as UTF-8: other bytes get another signature than they should.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { Webhook } from "svix";

const realNow = Date.now;

function sign({ secret, id, timestamp, body }) {
  return { signature: new Webhook(secret).sign(id, new Date(Number(timestamp) * 1000), body) };
}

function verify({ secret, id, timestamp, signature, now, body, family = "svix" }) {
  if (now !== undefined) Date.now = () => Number(now) * 1000;
  try {
    new Webhook(secret).verify(body, {
      [`${family}-id`]: id,
      [`${family}-timestamp`]: String(timestamp),
      [`${family}-signature`]: signature,
    });
    return { ok: true };
  } finally {
    Date.now = realNow;
  }
}

function answer(request) {
  try {
    if (request.op === "sign") return sign(request);
    if (request.op === "verify") return verify(request);
    return { error: `unknown op: ${request.op}` };
  } catch (error) {
    return { error: error.message };
  }
}

async function batch() {
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    request.body = Buffer.from(request.body_base64, "base64");
    console.log(JSON.stringify(answer(request)));
  }
}

const [op, secret, id, timestamp, signature, now] = process.argv.slice(2);
if (op === "batch") {
  await batch();
} else if (op === "sign" || op === "verify") {
  const body = readFileSync(0);
  const result = answer({ op, secret, id, timestamp, signature, now, body });
  console.log(result.signature ?? (result.ok ? "ok" : result.error));
  process.exitCode = result.error === undefined ? 0 : 1;
} else {
  console.error("usage: svix.mjs sign|verify|batch ...; see the head of this file");
  process.exitCode = 2;
}
