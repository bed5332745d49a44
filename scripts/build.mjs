// Builds dist/ for the package: the compiled sources and the descriptor set they read at run time.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
rmSync(join(root, 'dist'), { recursive: true, force: true });
// An incremental build would trust what it wrote before and leave the emptied folder empty.
rmSync(join(root, 'node_modules/.cache/tsc/build.tsbuildinfo'), { force: true });
execFileSync(process.execPath, [join(root, 'scripts/build-protos.mjs')], { stdio: 'inherit' });
execFileSync(
  process.execPath,
  [join(root, 'node_modules/typescript/bin/tsc'), '-p', join(root, 'tsconfig.build.json')],
  {
    stdio: 'inherit',
  },
);
mkdirSync(join(root, 'dist/gen'), { recursive: true });
cpSync(join(root, 'src/gen/envoy.binpb'), join(root, 'dist/gen/envoy.binpb'));
