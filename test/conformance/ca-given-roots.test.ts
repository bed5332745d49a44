// The suite of providers whose root somebody else keeps, over authorities that are given as files.
import { copyFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { createForeignRoots } from '../../src/ca/foreign-roots.ts';
import { createIssuerFiles } from '../../src/ca/issuer-files.ts';
import { silentLogger } from '../../src/util/log.ts';
import { noMetrics } from '../../src/util/metrics.ts';
import { createFakeClock } from '../support/fake-clock.ts';
import { type MadeAuthority, makeAuthority } from '../support/given-authority.ts';
import { createTempDir, type TempDir } from '../support/temp-dir.ts';
import { createMemoryStore } from '../unit/ca/memory-store.ts';
import { givenRootsConformance, givenTrustDomain } from './ca-given-roots-suite.ts';

let made: TempDir;
const authorities: { readonly root: MadeAuthority; readonly ca: MadeAuthority }[] = [];
beforeAll(() => {
  made = createTempDir('given');
  // The second has keys as cert-manager makes them where nobody said which.
  for (const [name, kind] of [
    ['one', 'P-256'],
    ['two', 'rsa'],
  ] as const) {
    const root = makeAuthority(made.path, `${name}-root`, { kind });
    authorities.push({ root, ca: makeAuthority(made.path, name, { kind, issuer: root }) });
  }
});
afterAll(() => made.remove());

givenRootsConformance('issuer-files', () => {
  const [one, two] = authorities;
  if (one === undefined || two === undefined) throw new Error('no authorities');
  const dir = createTempDir('issuer-files');
  const clock = createFakeClock(Date.now() + 60_000);
  const paths = { certificate: join(dir.path, 'c'), key: join(dir.path, 'k'), roots: join(dir.path, 'r') };
  const limits = { startMs: 1_000, holdMs: 1_000, patienceMs: 10_000, leavingMs: 1_000 };
  const store = createMemoryStore();
  function put({ root, ca }: { readonly root: MadeAuthority; readonly ca: MadeAuthority }): void {
    for (const [from, to] of [
      [ca.cert, paths.certificate],
      [ca.key, paths.key],
      [root.cert, paths.roots],
    ] as const) {
      copyFileSync(from, `${to}.new`);
      renameSync(`${to}.new`, to);
    }
  }
  put(one);
  return {
    ...{ clock, root: one.root.der },
    provider: () =>
      createForeignRoots(
        {
          ...{ clock, log: silentLogger, metrics: noMetrics, store, confirmed: async () => true },
          ...{ seal: async (plain) => plain, unseal: async (sealed) => sealed },
          authority: createIssuerFiles(
            { clock, uid: process.geteuid?.() },
            { ...paths, trustDomain: givenTrustDomain },
          ),
        },
        { ...limits, kind: 'issuer-files', trustDomain: givenTrustDomain, leftOutIsDistrusted: true },
      ),
    lose: () => rmSync(paths.key),
    async replace() {
      put(two);
      return { root: two.root.der };
    },
    confirm: () => clock.advance(limits.holdMs),
    [Symbol.dispose]: dir.remove,
  };
});
