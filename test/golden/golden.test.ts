// Objects in, Envoy configuration out, compared with what is written down; and every configuration is loaded by real Envoy.
// UPDATE_GOLDEN=1 writes the expected files anew and deletes those that no longer come out.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { type Problem, problemText } from '../../src/model/problem.ts';
import { missingRefs } from '../../src/resources/check.ts';
import { typeUrls } from '../../src/resources/type-urls.ts';
import { isMeshSecret } from '../../src/translate/mutual-tls.ts';
import { createTranslator } from '../../src/translate/translate.ts';
import { readCase } from '../support/case-file.ts';
import { testProtos } from '../support/protos.ts';
import { describeWith, envoyValidate } from '../support/real-parts.ts';
import { asked, endpointsOf, ofType, readable, staticConfig } from '../support/static-config.ts';

const root = fileURLToPath(new URL('.', import.meta.url));
const cases = readdirSync(root, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)
  .sort();
const update = process.env['UPDATE_GOLDEN'] === '1';

function problemLines(problems: readonly Problem[]): string[] {
  return [...new Set(problems.map((problem) => `${problem.severity} ${problemText(problem)}`))].sort();
}

function translated(name: string) {
  const { world, profile, asks } = readCase(join(root, name, 'in.yaml'));
  const translator = createTranslator({ protos: testProtos() });
  const content = asked(translator.view(world, profile), asks);
  return { world, content, endpoints: translator.endpoints(world) };
}

function outcome(name: string): ReadonlyMap<string, string> {
  const { world, content, endpoints } = translated(name);
  const files = new Map<string, unknown[]>([
    ['clusters.yaml', ofType(content, typeUrls.cluster)],
    ['endpoints.yaml', readable(endpointsOf(content, endpoints))],
    ['listeners.yaml', ofType(content, typeUrls.listener)],
    ['routes.yaml', ofType(content, typeUrls.routes)],
    ['problems.yaml', problemLines([...world.problems, ...content.problems])],
  ]);
  return new Map(
    [...files]
      .filter(([, items]) => items.length > 0)
      .map(([file, items]) => [file, stringify(items, { lineWidth: 0, aliasDuplicateObjects: false })]),
  );
}

describe('golden cases', () => {
  it.each(cases)('%s', (name) => {
    const folder = join(root, name, 'expected');
    const made = outcome(name);
    if (update) {
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder, { recursive: true });
      for (const [file, text] of made) writeFileSync(join(folder, file), text);
    }
    const written = existsSync(folder) ? readdirSync(folder).sort() : [];
    expect(written).toEqual([...made.keys()].sort());
    for (const [file, text] of made)
      expect(text, `${name}/expected/${file}`).toBe(readFileSync(join(folder, file), 'utf8'));
  });

  it.each(cases)('%s names nothing that does not exist', (name) => {
    const { content, endpoints } = translated(name);
    const all = [...content.resources.values()].flatMap((resources) => [...resources.values()]);
    const missing = missingRefs(all, ({ type, name: wanted }) =>
      type === typeUrls.endpoints
        ? endpoints.has(wanted)
        : isMeshSecret({ type, name: wanted }) || content.resources.get(type)?.has(wanted) === true,
    );
    expect(missing).toEqual([]);
    expect(content.problems.filter(({ code }) => /^CH140[1-3]/.test(code))).toEqual([]);
  });
});

describeWith(['envoy'], 'golden cases on the newest Envoy', () => {
  it.each(cases)('%s loads', async (name) => {
    const { content, endpoints } = translated(name);
    expect(await envoyValidate(staticConfig(content, endpoints))).toMatchObject({ ok: true });
  });
});

describeWith(['envoy-oldest'], 'golden cases on the oldest supported Envoy', () => {
  it.each(cases)('%s loads', async (name) => {
    const { content, endpoints } = translated(name);
    expect(await envoyValidate(staticConfig(content, endpoints), 'oldest')).toMatchObject({ ok: true });
  });
});
