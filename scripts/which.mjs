// Prints where a real component lies: `node scripts/which.mjs envoy`. It only looks; `scripts/run.mjs setup` fetches.
// Exit code 1, with what was tried, when it is nowhere.
import { findPart, parts } from './parts.mjs';

const [name = ''] = process.argv.slice(2);
if (!Object.hasOwn(parts, name)) {
  console.error(`usage: node scripts/which.mjs ${Object.keys(parts).join('|')}`);
  process.exit(64);
}
const found = findPart(name);
if (found.path === undefined) {
  console.error(`${found.missing}; tried ${found.tried.join(', ')}. To fetch it: node scripts/run.mjs setup ${name}`);
  process.exit(1);
}
console.log(found.path);
