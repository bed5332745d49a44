// The set-up that every command needs: dependencies as locked, a Node that runs the sources, generated code.
// Plain JavaScript for Node >= 20: it runs before anything is installed.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run, SetupError, step, withLock } from './steps.mjs';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

const readJson = (path) => JSON.parse(readFileSync(join(root, path), 'utf8'));

/**
 * Is what is installed what was locked? Both are `packages` of a lockfile: package-lock.json, and the one that npm keeps in
 * node_modules and writes last. An optional package may be absent because it is for another platform.
 */
export function fits(locked, installed) {
  return Object.entries(locked).every(
    ([path, entry]) =>
      path === '' || installed[path]?.version === entry.version || (entry.optional && !installed[path]),
  );
}

function dependenciesFit() {
  if (!existsSync(join(root, 'node_modules/.package-lock.json'))) return false;
  return fits(readJson('package-lock.json').packages, readJson('node_modules/.package-lock.json').packages);
}

async function installDependencies() {
  if (dependenciesFit()) return 'as package-lock.json says';
  const npm = process.env.npm_execpath;
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  console.log('dependencies: npm ci ...');
  try {
    if (npm?.endsWith('.js')) await run(process.execPath, [npm, ...args], { cwd: root });
    else await run('npm', args, { cwd: root });
  } catch (error) {
    throw new SetupError(
      `The dependencies could not be installed.\n  Tried: npm ci\n  ${error.message}\n  By hand: npm ci`,
    );
  }
  return 'installed by npm ci';
}

function nodeVersion(file) {
  try {
    return execFileSync(file, ['--version'], { encoding: 'utf8' }).trim();
  } catch {
    return undefined;
  }
}

function findNode() {
  const exe = process.platform === 'win32' ? 'node.exe' : 'node';
  const own = process.versions.node.split('.');
  if (Number(own[0]) >= 24) return { path: process.execPath, version: `v${process.versions.node}`, from: 'PATH' };
  const packaged = join(root, `node_modules/node-${process.platform}-${process.arch}/bin`, exe);
  const version = existsSync(packaged) ? nodeVersion(packaged) : undefined;
  if (version !== undefined) return { path: packaged, version, from: 'its npm package' };
  throw new SetupError(
    `Node 24 is needed to run the sources.\n  Tried: this Node (v${process.versions.node}); ` +
      `the package node-${process.platform}-${process.arch}, which ${existsSync(packaged) ? 'does not run' : 'does not exist for this platform or was not installed'}\n` +
      '  By hand: install Node 24 (macOS: brew install node@24), put it first on PATH and run again',
  );
}

/** Does all of it, printing each step; returns { node: path of a Node >= 24 }. */
export async function setUp() {
  return withLock(
    join(root, '.chancery/setup.lock'),
    async () => {
      await step('dependencies', installDependencies);
      let node;
      await step('Node', async () => {
        node = findNode();
        return `${node.version} from ${node.from}`;
      });
      await step('generated code', async () => {
        const text = await run(node.path, [join(root, 'scripts/build-protos.mjs')], { cwd: root });
        return text.includes('proto files') ? text.trim() : 'fresh';
      });
      return { node: node.path };
    },
    (holder) => console.log(`set-up: waiting for process ${holder}, which is at it`),
  );
}
