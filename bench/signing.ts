// What the authority costs: a fresh P-256 key, its leaf and its PKCS#8, one after another on one core, as a signing thread
// does it. Prints a table, keeps a JSON beside the others. Run: npm run bench -- signing
import { loadavg } from 'node:os';
import { readCertificate } from '../src/ca/certificate.ts';
import {
  generateKeyPair,
  type Issuer,
  pkcs8,
  randomSerial,
  selfSignedRoot,
  signIntermediate,
  signLeaf,
} from '../src/ca/x509.ts';
import { type Row, report } from './table.ts';

const trustDomain = 'bench.example';
const target = 2500;
const roundMs = 1000;
const rounds = 5;

const nowMs = Date.now();
const validity = { notBeforeMs: nowMs - 60_000, notAfterMs: nowMs + 86_400_000 };

function issuerOf(): Issuer {
  const [top, pair] = [generateKeyPair(), generateKeyPair()];
  const common = { trustDomain, validity };
  const root = { certificate: selfSignedRoot(top, { ...common, serial: randomSerial() }), key: top.privateKey };
  const of = { ...common, publicKey: pair.publicKey, serial: randomSerial() };
  return { certificate: signIntermediate(root, of), key: pair.privateKey };
}

const issuer = issuerOf();
let names = 0;
const leafFor = (publicKey: Uint8Array): Uint8Array =>
  signLeaf(issuer, {
    publicKey,
    spiffeId: `spiffe://${trustDomain}/svc/service-${names++ % 10_000}`,
    validity,
    serial: randomSerial(),
  });

interface Rates {
  readonly perSecond: number;
  readonly perCpuSecond: number;
}

/** How often `step` runs in a second of the clock, and in a second of the processor (which other work does not take away). */
function rate(step: () => void): Rates {
  const cpu = process.cpuUsage();
  const start = performance.now();
  let count = 0;
  for (; performance.now() - start < roundMs; count++) step();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { perSecond: count / seconds, perCpuSecond: count / ((user + system) / 1e6) };
}

const middle = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

const own = generateKeyPair();
const steps: readonly { readonly what: string; readonly counts: boolean; readonly step: () => void }[] = [
  {
    what: 'key and leaf',
    counts: true,
    step() {
      const pair = generateKeyPair();
      const leaf = leafFor(pair.publicKey);
      if (pkcs8(pair.privateKey).length + leaf.length < 500) throw new Error('not a key and a leaf');
    },
  },
  { what: 'leaf for a key that is there', counts: false, step: () => void leafFor(own.publicKey) },
];

// What is measured is what is promised: the leaf is read once more.
if (readCertificate(leafFor(own.publicKey)).uris.length !== 1) throw new Error('not a leaf');

const rows = steps.map(({ what, counts, step }): Row => {
  rate(step);
  const all = Array.from({ length: counts ? rounds : 2 }, () => rate(step));
  const perSecond = middle(all.map((one) => one.perSecond));
  const perCpuSecond = middle(all.map((one) => one.perCpuSecond));
  return {
    what,
    target: counts ? `>= ${target} a second and core` : '',
    measured: `${Math.round(perCpuSecond)} a CPU second, ${Math.round(perSecond)} a second of the clock`,
    ...(counts ? { met: perCpuSecond >= target } : {}),
    data: all,
  };
});
const [load = 0] = loadavg();
report(
  'signing',
  `one thread, ECDSA P-256, median of rounds of ${roundMs / 1000} s; load average ${load.toFixed(1)}${load > 1.5 ? ': other work was on the machine' : ''}`,
  rows,
);
