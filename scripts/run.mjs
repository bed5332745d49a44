// What `npm start`, `npm test` and the other commands call: it sets up whatever is missing, says so, then runs the command.
// Plain JavaScript for Node >= 20: it runs before anything is installed.
// usage: node scripts/run.mjs demo|test|test-long|bench|setup [arguments]; the first of bench names a file of bench/, none: all
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
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

/** Every file of bench/ that is a benchmark, the short ones first, the whole product last. */
function allBenches() {
  const shared = ['table'];
  const late = ['transport', 'scale', 'product'];
  const names = readdirSync(join(root, 'bench'))
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.slice(0, -3));
  return [...names.filter((name) => !late.includes(name) && !shared.includes(name)).sort(), ...late];
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
  async bench(args) {
    const { node } = await setUp();
    const env = {};
    for (const part of ['envoy', 'consul']) env[parts[part].variable] = (await ensurePart(part)).path;
    const named = args.length > 0 && !args[0].startsWith('-');
    const names = named ? [args[0]] : allBenches();
    const rest = named ? args.slice(1) : args;
    let worst = 0;
    for (const [index, name] of names.entries()) {
      if (!named) console.log(`\nbench ${index + 1} of ${names.length}: ${name}`);
      const code = await runProgram(node, [join(root, 'bench', `${name}.ts`), ...rest], env);
      // Ended by a signal: whoever sent it does not want the next one.
      if (code > 128) return code;
      worst = Math.max(worst, code);
    }
    return worst;
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
