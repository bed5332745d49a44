// The xDS transport beside go-control-plane: W1..W11, the same client, the same resources, ours and the peer in turn.
// usage: npm run bench -- transport [W1 W2 ... 10k] [--quick] [--runs N] [--profile FOLDER] [--no-peer]
// Prints the table of the design, writes bench/results/transport.json. Loopback only, bounded, stops what it started.
// Exit code 1: a target was missed or a gate failed.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createTempDir } from '../test/support/temp-dir.ts';
import { type CaseName, cases, small } from './transport/cases.ts';
import { endToEnd, fullSize } from './transport/end-to-end.ts';
import { buildPeer, type Peer } from './transport/peer-build.ts';
import type { Profile } from './transport/profile.ts';
import { type CaseLaps, keepResults, type Line, lineOf, printTable } from './transport/results.ts';
import { addLaps, type RunKit } from './transport/runs.ts';
import { tenThousand } from './transport/ten-thousand.ts';
import { makeCertificate } from './transport/tls-files.ts';
import { casesOf, metrics } from './transport/workloads.ts';

const args = process.argv.slice(2);
const quick = args.includes('--quick');
const optionOf = (flag: string): string | undefined => (args.includes(flag) ? args[args.indexOf(flag) + 1] : undefined);
const runs = Number(optionOf('--runs') ?? (quick ? 1 : 3));
const profiles = optionOf('--profile');
const asked = args.filter((arg) => /^(W\d+|10k)$/.test(arg));
const wanted = (id: string): boolean => asked.length === 0 || asked.includes(id);
const started = performance.now();
const say = (line: string): void =>
  console.log(`[${String(Math.round((performance.now() - started) / 1000)).padStart(4)} s] ${line}`);

const peer: Peer = args.includes('--no-peer') ? { missing: 'not asked for' } : await buildPeer();
if ('missing' in peer) say(`no peer: ${peer.missing}; what needs it has no ratio`);
using folder = createTempDir('transport');
const certificate = makeCertificate(folder.path);

const kit: RunKit = { peer, folder: folder.path, certificate, say };
const chosen = metrics.filter(({ id }) => wanted(id));
const laps = new Map<CaseName, CaseLaps>();
const onProfile = (name: CaseName) => (phase: string, json: string) => {
  const { top, groups, raw } = JSON.parse(json) as Profile;
  mkdirSync(profiles ?? '', { recursive: true });
  writeFileSync(join(profiles ?? '', `${name}-${phase}.cpuprofile`), JSON.stringify(raw));
  const text = [...groups, ...top].map(({ percent, what }) => `${percent}% ${what}\n`).join('');
  writeFileSync(join(profiles ?? '', `${name}-${phase}.txt`), text);
};
// Run by run, not case by case: what changes on the machine meanwhile falls on all of them.
for (let run = 1; run <= runs; run++) {
  say(`run ${run} of ${runs}`);
  for (const [name, { peer: withPeer }] of casesOf(chosen)) {
    const into = laps.get(name) ?? { ours: [], peer: [] };
    laps.set(name, into);
    const profiling = profiles === undefined ? {} : { onProfile: onProfile(name) };
    await addLaps(name, quick ? small(cases[name]) : cases[name], { kit: { ...kit, ...profiling }, withPeer, into });
  }
}
const lines = chosen.map((metric) => lineOf(metric, laps));
const fenced = async (id: string, work: () => Promise<readonly Line[]>): Promise<void> => {
  if (!wanted(id)) return;
  try {
    lines.push(...(await work()));
  } catch (error) {
    lines.push({ ...{ id, what: id, peer: '', ratio: '', target: '' }, ours: `FAILED: ${String(error)}`, met: false });
  }
};
await fenced('W11', () => endToEnd(quick ? { services: 5, proxies: [5, 10], envoys: 1, changes: 3 } : fullSize, say));
const proxies = quick ? 100 : 10_000;
await fenced('10k', () => tenThousand(kit, { proxies }));
await fenced('10k', () => tenThousand(kit, { proxies, newStreamsPerSecond: 1_000_000 }));
console.log(quick ? '\nQuick: it runs and its gates hold; the figures mean nothing.' : '');
printTable(lines);
const versions = 'path' in peer ? peer.versions : `none: ${peer.missing}`;
const how = { runs, quick, profiled: profiles !== undefined, peer: versions, cases, date: new Date().toISOString() };
if (!quick && asked.length === 0) keepResults(how, lines, laps);
if (lines.some(({ met }) => met === false) && !quick) process.exitCode = 1;
if ([...laps.values()].some(({ failed }) => failed !== undefined)) process.exitCode = 1;
