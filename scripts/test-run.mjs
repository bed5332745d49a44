// `npm test`: fetches the real components, runs vitest, prints what was skipped and why, and one line of counts.
// Tests that need a component which is still being built run in a second pass, after it is there.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { runForeground } from '../bin/foreground.mjs';
import { cacheRoot } from './parts.mjs';
import { ensurePart, isThere } from './provision.mjs';
import { root } from './setup.mjs';

const SLOW = ['etcd', 'consul'];
// Wide on purpose: a file found without need only runs a little later, and only while something is being built.
const needs = { etcd: /startEtcd\(|'etcd'/, consul: /startConsul\(|'consul'/ };
const starters = /[/\\]test[/\\]support[/\\](real-(parts|consul|etcd)|part-path)\.ts$/;

/** Test files that use a component, themselves or through what they import from test/ (the starters aside). */
function filesNeeding(part) {
  const text = new Map();
  const read = (file) => {
    if (!text.has(file)) text.set(file, existsSync(file) ? readFileSync(file, 'utf8') : '');
    return text.get(file);
  };
  const uses = (file, seen) => {
    if (seen.has(file) || starters.test(file)) return false;
    seen.add(file);
    if (needs[part].test(read(file))) return true;
    return [...read(file).matchAll(/from '(\.[^']+)'/g)].some((match) => {
      const target = resolve(dirname(file), match[1]);
      return target.startsWith(join(root, 'test')) && uses(target, seen);
    });
  };
  return readdirSync(join(root, 'test'), { recursive: true })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => join(root, 'test', name))
    .filter((file) => uses(file, new Set()))
    .map((file) => relative(root, file));
}

async function vitest(node, args, env) {
  const folder = mkdtempSync(join(tmpdir(), 'chancery-tests-'));
  const file = join(folder, 'summary.json');
  try {
    const code = await runForeground(
      node,
      [
        join(root, 'node_modules/vitest/vitest.mjs'),
        ...['run', '--root', root, '--reporter', 'default', '--reporter', join(root, 'scripts/test-reporter.mjs')],
        ...['--passWithNoTests', ...args],
      ],
      { env: { ...process.env, ...env, TEST_SUMMARY_FILE: file } },
    );
    const summary = existsSync(file)
      ? JSON.parse(readFileSync(file, 'utf8'))
      : { passed: 0, failed: 0, skipped: [], failures: [] };
    if (code !== 0 && summary.failed === 0) {
      summary.failed = 1;
      summary.failures.push(`vitest ended with ${code}`);
    }
    return { ...summary, interrupted: code >= 128 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Fetches one after the other; a component that cannot be had is reported, and its tests say so too. */
async function ensureAll(names, problems) {
  for (const name of names) {
    await ensurePart(name).catch((error) => {
      console.log(error.message);
      problems.push(error.message);
    });
  }
}

/** Resolves with the exit code. `args` go to vitest; `long` takes test/long and the large property runs. */
export async function runTests(node, args, { long = false } = {}) {
  const problems = [];
  await ensureAll(['envoy', 'envoy-oldest'], problems);
  const env = {
    // Worker threads and programs of ours that tests start by the hundred: types are stripped once, not by WebAssembly each time.
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(cacheRoot(), 'compiled'),
    ...(long ? { TEST_LONG: '1' } : {}),
  };
  const wanted = long && args.length === 0 ? ['test/long', 'test/property'] : args;
  const missing = SLOW.filter((name) => !isThere(name));
  const runs = [];
  if (missing.length === 0 || wanted.length > 0) {
    await ensureAll(SLOW, problems);
    runs.push(await vitest(node, wanted, env));
  } else {
    const later = [...new Set(missing.flatMap(filesNeeding))];
    console.log(`tests of ${missing.join(' and ')} run last, after the build: ${later.length} files`);
    const fetching = ensureAll(SLOW, problems);
    runs.push(
      await vitest(
        node,
        later.flatMap((file) => ['--exclude', file]),
        env,
      ),
    );
    if (runs[0].interrupted) return 130;
    await fetching;
    if (later.length > 0) runs.push(await vitest(node, later, env));
  }

  const failures = runs.flatMap((run) => run.failures);
  const skipped = runs.flatMap((run) => run.skipped);
  for (const problem of problems) console.log(`\n${problem}`);
  if (failures.length > 0) console.log(`\nfailed:\n${failures.map((name) => `  ${name}`).join('\n')}`);
  if (skipped.length > 0)
    console.log(`\nskipped (${skipped.length}):\n${skipped.map((name) => `  ${name}`).join('\n')}`);
  const passed = runs.reduce((sum, run) => sum + run.passed, 0);
  const failed = runs.reduce((sum, run) => sum + run.failed, 0);
  console.log(`${passed} passed, ${failed} failed`);
  return failed > 0 || passed === 0 ? 1 : 0;
}
