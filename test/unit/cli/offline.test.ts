// What needs no server, on real translation: lint names every rule that can never match.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { runCommandLine } from '../../../src/cli/program.ts';
import { createFakeCli } from './fake-io.ts';

const descriptors = readFileSync(new URL('../../../src/gen/envoy.binpb', import.meta.url));

async function run(line: string, files: Readonly<Record<string, string>>) {
  const cli = createFakeCli({ files });
  const code = await runCommandLine(line.split(' '), { ...cli.deps, descriptorSet: () => descriptors });
  return { code, out: cli.out(), err: cli.err() };
}

const route = (name: string, spec: string): string =>
  `apiVersion: chancery/v1\nkind: Route\nmetadata: {name: ${name}}\nspec:\n  hosts: [shop.example]\n${spec}`;
const respond = '{respond: {status: 200}, match: [{path: ';

describe('lint', () => {
  it('names a rule that a broader one of another file hides, with both places', async () => {
    const { code, out, err } = await run('lint o', {
      'o/a.yaml': route('a', `  rules:\n  - ${respond}{prefix: /cart}}]}\n`),
      'o/b.yaml': route('b', `  rules:\n  - ${respond}{exact: /x}}]}\n  - ${respond}{regex: "/cart/[0-9]+"}}]}\n`),
    });
    expect(code).toBe(0);
    expect(err).toMatch(
      /^warning \[CH1228\] Route default\/b: rule "default\/b#1" can never match: .*o\/a\.yaml:7:\d+/,
    );
    expect(err).toContain('(o/b.yaml:8:');
    expect(err.match(/\[CH1228\]/g)).toHaveLength(1);
    expect(out).toBe('2 files, 0 errors, 1 warning\n');
  });

  it('looks at the sidecars of calling services too', async () => {
    const { err } = await run('lint o', {
      'o/a.yaml': route(
        'a',
        `  gateways: [mesh]\n  rules:\n` +
          `  - {respond: {status: 201}, match: [{from: [web], headers: [{name: x, present: true}]}]}\n` +
          `  - {respond: {status: 202}, match: [{from: [web], headers: [{name: x, exact: "1"}]}]}\n`,
      ),
    });
    expect(err).toMatch(/\[CH1228\].*a#1" can never match/);
  });

  it('says what only a proxy would meet, as JSON too', async () => {
    const { code, out } = await run('lint g.yaml -o json', {
      'g.yaml':
        'apiVersion: chancery/v1\nkind: Gateway\nmetadata: {name: edge}\nspec:\n  listeners: [{name: a, port: 80}, {name: b, port: 80}]\n',
    });
    expect(code).toBe(65);
    expect(JSON.parse(out)).toMatchObject([{ code: 'CH1223', at: { file: 'g.yaml', line: 5 } }]);
  });
});

describe('translate', () => {
  it('shows what a gRPC client is given for the names it dials, and what it does not do', async () => {
    const { code, out, err } = await run('translate -f o.yaml --grpc SHOP.example:80 nobody -o json', {
      'o.yaml': route('a', `  rules:\n  - {respond: {status: 403}}\n`),
    });
    expect(code).toBe(0);
    const shown = JSON.parse(out) as Record<string, { name: string }[]>;
    expect(shown['LDS']?.map(({ name }) => name)).toEqual(['SHOP.example:80']);
    expect(shown['RDS']?.map(({ name }) => name)).toEqual(['shop.example']);
    expect(err).toMatch(/^warning \[CH1404\].*gRPC calls that match it fail/);
  });
});
