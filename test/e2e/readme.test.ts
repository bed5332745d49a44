// README.md cannot lie: links lead somewhere, commands and their options exist, the bootstrap loads in a real Envoy, the objects have no
// mistake, and what `npm start -- --check` is said to print are the checks that it makes.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { createWorldBuilder } from '../../src/model/next-world.ts';
import { errorCodes } from '../../src/util/error-codes.ts';
import { describeWith, envoyValidate } from '../support/real-parts.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const readme = read('README.md');
const pages = [
  'README.md',
  'examples/README.md',
  ...readdirSync(join(root, 'examples'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => `examples/${name}/README.md`),
];

/** Bodies of the fenced blocks of one language. */
const fenced = (text: string, language: string): readonly string[] =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(([, body = '']) => body);

/** GitHub's anchor of a heading. */
const anchor = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\w\s-]/g, '')
    .trim()
    .replaceAll(' ', '-');

const help = new Map<string, string>();
/** Help of `chancery VERB`; throws when there is no such verb. */
function helpOf(verb: string): string {
  const known = help.get(verb);
  if (known !== undefined) return known;
  const text = execFileSync(process.execPath, [join(root, 'bin/chancery.mjs'), ...verb.split(' '), '--help'], {
    encoding: 'utf8',
  });
  help.set(verb, text);
  return text;
}

interface Command {
  readonly page: string;
  readonly line: string;
  readonly verb: string;
  readonly options: readonly string[];
}

/** Every call of chancery in the `sh` blocks and inline code of a page. */
function commands(page: string): readonly Command[] {
  const text = read(page);
  const pieces = [...fenced(text, 'sh'), ...[...text.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code)];
  return pieces
    .flatMap((piece) => piece.split('\n'))
    .flatMap((line) => {
      const call = /(?:^|\s)(?:node \S*bin\/chancery\.mjs|chancery) ([a-z-]+)((?:\s[^#|>&]*)?)/.exec(line);
      if (call === null) return [];
      const [, first = '', rest = ''] = call;
      const verb = first === 'config' && /^\s+show\b/.test(rest) ? 'config show' : first;
      return [{ page, line, verb, options: rest.match(/(?<=\s)--?[a-z][a-z-]*/g) ?? [] }];
    });
}

describe('the READMEs', () => {
  it.each(pages)('%s links only to what is there', (page) => {
    const text = read(page).replaceAll(/^```[\s\S]*?^```$/gm, '');
    const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
    expect(links.length).toBeGreaterThan(0);
    for (const link of links) {
      if (/^https?:/.test(link)) continue;
      const [path = '', hash] = link.split('#');
      const file = path === '' ? page : join(dirname(page), path);
      expect(existsSync(join(root, file)), `${page}: ${link}`).toBe(true);
      if (hash === undefined) continue;
      const headings = [...read(file).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchor(heading));
      expect(headings, `${page}: ${link}`).toContain(hash);
    }
  });

  const calls = pages.flatMap(commands);
  const distinct = [...new Map(calls.map((call) => [`${call.verb} ${call.options.join(' ')}`.trim(), call])).entries()];

  it('calls chancery at all', () => {
    expect(new Set(calls.map(({ verb }) => verb)).size).toBeGreaterThan(5);
  });

  it.each(distinct)('chancery %s is a command with these options', (_, { verb, options, line, page }) => {
    const text = helpOf(verb);
    for (const option of options)
      expect(text, `${page}: ${line}`).toMatch(new RegExp(`(?:^|[\\s,])${option}(?:[\\s,<[]|$)`, 'm'));
  });

  it('names npm commands that exist', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = [...readme.matchAll(/`npm (?:run )?([a-z:]+)/g)].map(([, name = '']) => name);
    expect(named.length).toBeGreaterThan(0);
    for (const name of named) expect(Object.keys(scripts)).toContain(name);
  });

  it('says nothing about the machine that it was written on', () => {
    for (const page of pages) expect(read(page)).not.toMatch(/\/(?:root|home|work|tmp)\//);
  });
});

describe('what README.md shows', () => {
  const [bootstrap = '', objects = ''] = fenced(readme, 'yaml');

  it('has objects without a mistake', () => {
    const document = { path: 'README.md', text: objects };
    const world = createWorldBuilder().next({
      registries: [],
      objects: [{ source: 'objects', revision: '1', complete: true, documents: new Map([['README.md', document]]) }],
    });
    // `web` is in no registry here; everything else must be right.
    const errors = world.problems.filter(({ severity, message }) => severity === 'error' && !message.includes('"web"'));
    expect(errors).toEqual([]);
    expect([world.services.size, world.routes.length, world.gateways.size]).toEqual([1, 1, 1]);
  });

  it('names error codes that exist', () => {
    const codes = readme.match(/CH\d{4}/g) ?? [];
    expect(codes.length).toBeGreaterThan(0);
    for (const code of codes) expect(Object.keys(errorCodes)).toContain(code);
  });

  it('lists the checks that the demo makes', () => {
    const block = fenced(readme, 'text').find((text) => text.startsWith('ok ')) ?? '';
    const said = block.split('\n').flatMap((line) => /^ok\s+(.+?) \(/.exec(line)?.[1] ?? []);
    expect(said.length).toBeGreaterThan(8);
    const source = readdirSync(join(root, 'src/demo'))
      .map((name) => read(join('src/demo', name)))
      .join('\n');
    for (const check of said) expect(source).toContain(`'${check}'`);
    expect(block).toContain(`${said.length} ok, 0 failed`);
  });

  describeWith(['envoy'], 'its bootstrap', () => {
    it('loads in Envoy', async () => {
      const { ok, output } = await envoyValidate(bootstrap);
      expect(ok, output).toBe(true);
    });
  });
});
