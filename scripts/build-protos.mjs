// Builds src/gen from the Envoy protos: one descriptor set (envoy.binpb), the JSON types of its
// messages, and the definitions of its gRPC services (services.json).
// Runs only when its inputs changed (a stamp holds their hash). Works offline: buf's binary is a dev dependency.
// Why the copy: the packaged protos have CRLF line ends and a validate.proto too old for them.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadFileDescriptorSetFromBuffer } from '@grpc/proto-loader';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const deps = join(root, 'node_modules/@grpc/grpc-js-xds/deps');
const importRoots = [join(root, 'proto'), join(deps, 'envoy-api'), join(deps, 'xds'), join(deps, 'googleapis')];
const out = join(root, 'src/gen');

/** Reads one proto by import path, line ends normalised; undefined for files the compiler brings itself. */
function readProto(path) {
  if (path.startsWith('google/protobuf/')) return undefined;
  for (const dir of importRoots) {
    const file = join(dir, path);
    if (existsSync(file)) return readFileSync(file, 'utf8').replaceAll('\r\n', '\n');
  }
  throw new Error(`${path}: in none of ${importRoots.join(', ')}`);
}

/** The roots and all they import: path -> text. */
function closure(roots) {
  const files = new Map();
  const pending = [...roots];
  while (pending.length > 0) {
    const path = pending.pop();
    if (files.has(path)) continue;
    const text = readProto(path);
    if (text === undefined) continue;
    files.set(path, text);
    for (const match of text.matchAll(/^import\s+(?:public\s+)?"([^"]+)";/gm)) pending.push(match[1]);
  }
  return files;
}

/**
 * The gRPC methods of every service in the set, as proto-loader defines them. Taken here and not at run time: bytes pass
 * through our server as they are, so of each definition only path and directions are needed, and loading all of Envoy's
 * messages for them takes a third of a second and 25 MB.
 */
function serviceMethods(setFile) {
  const services = {};
  for (const [name, definition] of Object.entries(loadFileDescriptorSetFromBuffer(readFileSync(setFile)))) {
    if ('format' in definition) continue; // a message or an enum
    services[name] = Object.fromEntries(
      Object.entries(definition).map(([method, { path, requestStream, responseStream }]) => [
        method,
        { path, requestStream, responseStream },
      ]),
    );
  }
  return services;
}

const roots = readFileSync(join(root, 'proto/roots.txt'), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'));
const files = closure(roots);
const hash = createHash('sha256').update(readFileSync(fileURLToPath(import.meta.url)));
for (const [path, text] of [...files].sort()) hash.update(path).update(text);
const stamp = hash.digest('hex');
const stampFile = join(out, 'stamp');
if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) process.exit(0);

const work = join(root, `node_modules/.cache/chancery-protos-${process.pid}`);
rmSync(work, { recursive: true, force: true });
for (const [path, text] of files) {
  const file = join(work, 'proto', path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
const bin = (name) => join(root, 'node_modules/.bin', name);
writeFileSync(join(work, 'buf.yaml'), 'version: v2\nmodules:\n- path: proto\n');
writeFileSync(
  join(work, 'buf.gen.yaml'),
  `version: v2\nplugins:\n- local: ${JSON.stringify(bin('protoc-gen-es'))}\n  out: gen\n  strategy: all\n  opt: [target=dts, json_types=true]\n`,
);
const run = (args) =>
  execFileSync(bin('buf'), args, {
    cwd: work,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, PATH: `${join(root, 'node_modules/.bin')}:${process.env.PATH}` },
  });
run(['build', '--as-file-descriptor-set', '--exclude-source-info', '-o', 'envoy.binpb']);
run(['generate', '--include-imports']);
mkdirSync(join(work, 'gen'), { recursive: true });
renameSync(join(work, 'envoy.binpb'), join(work, 'gen/envoy.binpb'));
writeFileSync(
  join(work, 'gen/services.json'),
  `${JSON.stringify(serviceMethods(join(work, 'gen/envoy.binpb')), null, 2)}\n`,
);
writeFileSync(join(work, 'gen/stamp'), stamp);
rmSync(out, { recursive: true, force: true });
mkdirSync(dirname(out), { recursive: true });
renameSync(join(work, 'gen'), out);
rmSync(work, { recursive: true, force: true });
console.log(`src/gen: ${files.size} proto files`);
