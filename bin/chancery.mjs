#!/usr/bin/env node
// The command `chancery`. On Node 24 and above it loads the program: the sources in a checkout, dist/ in the package.
// On an older Node it starts itself again on the Node 24 that the checkout's dependencies brought along.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { runForeground } from './foreground.mjs';

const at = (path) => new URL(path, import.meta.url);
const major = Number(process.versions.node.split('.')[0]);
if (major >= 24) {
  const main = existsSync(at('../src/main.ts')) ? at('../src/main.ts') : at('../dist/main.js');
  // main.ts reads the command line from process.argv; the path of this file stands where its own would.
  await import(main.href);
} else {
  const node = fileURLToPath(at(`../node_modules/.bin/node${process.platform === 'win32' ? '.exe' : ''}`));
  if (existsSync(node) && process.env.CHANCERY_RESTARTED !== '1') {
    const env = { ...process.env, CHANCERY_RESTARTED: '1' };
    process.exitCode = await runForeground(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { env });
  } else {
    console.error(`chancery needs Node 24 or newer; this is ${process.versions.node}. In a checkout: npm ci`);
    process.exitCode = 1;
  }
}
