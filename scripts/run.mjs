// What `npm start`, `npm test` and the other commands call: it sets up whatever is missing, says so, then runs the command.
// Plain JavaScript for Node >= 20: it runs before anything is installed.
// usage: node scripts/run.mjs demo|test|test-long|bench|setup [arguments]; the first of bench names a file of bench/
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { runForeground } from '../bin/foreground.mjs';
import { parts } from './parts.mjs';
import { ensurePart } from './provision.mjs';
import { root, setUp } from './setup.mjs';
import { SetupError } from './steps.mjs';
import { runTests } from './test-run.mjs';

/** Runs a program of ours in its own process group, so that a Ctrl-C reaches it once, through us. */
async function runProgram(node, args, env) {
  // Should we be killed outright, the keeper asks the program to stop.
  const keeper = spawn(process.execPath, [join(root, 'scripts/keeper.mjs'), '--gently'], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  let started = 0;
  const code = await runForeground(node, args, {
    env: { ...process.env, ...env },
    ownGroup: process.platform !== 'win32',
    onStart: (pid) => {
      started = pid;
      keeper.stdin.write(`+${pid}\n`);
    },
  });
  keeper.stdin.end(`-${started}\n`);
  return code;
}

const commands = {
  async demo(args) {
    const { node } = await setUp();
    const envoy = await ensurePart('envoy');
    return runProgram(node, [join(root, 'src/main.ts'), 'demo', ...args], { ENVOY_BIN: envoy.path });
  },
  async test(args) {
    const { node } = await setUp();
    return runTests(node, args);
  },
  async 'test-long'(args) {
    const { node } = await setUp();
    return runTests(node, args, { long: true });
  },
  async bench([name = 'product', ...args]) {
    const { node } = await setUp();
    const env = {};
    for (const part of ['envoy', 'consul']) env[parts[part].variable] = (await ensurePart(part)).path;
    return runProgram(node, [join(root, 'bench', `${name}.ts`), ...args], env);
  },
  async setup(args) {
    await setUp();
    for (const name of args.length > 0 ? args : ['envoy', 'envoy-oldest', 'etcd', 'consul']) await ensurePart(name);
    return 0;
  },
};

const [command = '', ...args] = process.argv.slice(2);
if (!Object.hasOwn(commands, command)) {
  console.error(`usage: node scripts/run.mjs ${Object.keys(commands).join('|')} [arguments]`);
  process.exit(64);
}
try {
  process.exitCode = await commands[command](args);
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
