import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { createLists } from '../../../../src/sources/files/file-registry.ts';

interface Case {
  readonly name: string;
  readonly text: string;
  readonly gives: readonly string[];
  readonly ids: readonly string[];
}
const cases = parse(
  readFileSync(new URL('../../../data/malformed/registry/files.yaml', import.meta.url), 'utf8'),
) as readonly Case[];

const good = 'service: web\ninstances:\n  - {id: last-1, address: 10.0.0.9, port: 80}\n';
const texts = (text: string): ReadonlyMap<string, string> =>
  new Map([
    ['web.yaml', text],
    ['other.yaml', 'service: api\ninstances: [{id: good-1, address: 10.0.1.1}]\n'],
  ]);

describe('malformed instance lists', () => {
  it.each(cases)('$name', ({ text, gives, ids }) => {
    const lists = createLists('lists');
    expect(lists.next(texts(good)).problems).toEqual([]);
    const { services, problems } = lists.next(texts(text));
    expect(problems.map(({ code, at }) => `${code} ${at.line}:${at.column}`)).toEqual(gives);
    expect(problems.every(({ at, message }) => at.file === 'web.yaml' && message !== '')).toBe(true);
    expect((services.get('web')?.instances ?? []).map(({ id }) => id)).toEqual(ids);
    expect(services.get('api')?.instances.map(({ id }) => id)).toEqual(['good-1']);
    // And all is well again once it is.
    expect(lists.next(texts(good))).toMatchObject({ problems: [] });
  });
});

describe('an instance list', () => {
  const read = (text: string) => createLists('lists').next(new Map([['web.yaml', text]]));

  it('gives every field of an instance', () => {
    const { services, problems } = read(`
service: web
instances:
  - id: web-1
    address: 10.0.0.1
    port: 8080
    health: warning
    weight: 5
    metadata: {version: 2, canary: true, owner: team-a}
    tags: [blue]
    region: eu
    zone: eu-1
    proxyPort: 20000
  - address: "[fd00::1]"
    port: 8081
`);
    expect(problems).toEqual([]);
    expect(services.get('web')?.instances).toEqual([
      {
        key: 'lists/web/fd00::1:8081',
        id: 'fd00::1:8081',
        address: 'fd00::1',
        port: 8081,
        health: 'healthy',
        weight: 1,
        metadata: {},
        tags: [],
      },
      {
        key: 'lists/web/web-1',
        id: 'web-1',
        address: '10.0.0.1',
        port: 8080,
        health: 'warning',
        weight: 5,
        metadata: { version: '2', canary: 'true', owner: 'team-a' },
        tags: ['blue'],
        locality: { region: 'eu', zone: 'eu-1', subZone: '' },
        proxy: { address: '10.0.0.1', port: 20000, localAddress: '127.0.0.1', localPort: 8080 },
      },
    ]);
  });

  it('may be JSON, have several documents, and name a service without instances', () => {
    expect([...read('{"service": "a", "instances": [{"address": "h"}]}').services.keys()]).toEqual(['a']);
    const { services } = read('service: b\ninstances: []\n---\nservice: a\ninstances: [{address: h}]\n');
    expect([...services].map(([name, { instances }]) => [name, instances.length])).toEqual([
      ['a', 1],
      ['b', 0],
    ]);
  });

  it('shares what did not change, over files too', () => {
    const lists = createLists('lists');
    const first = lists.next(texts(good));
    expect(lists.next(texts(`# moved\n${good}`)).services).toBe(first.services);
    const second = lists.next(texts(good.replace('10.0.0.9', '10.0.0.8')));
    expect(second.services.get('api')).toBe(first.services.get('api'));
    expect(second.services.get('web')).not.toBe(first.services.get('web'));
  });

  it('leaves objects and foreign files alone', () => {
    const { services, problems } = createLists('lists').next(
      new Map([
        ['route.yaml', 'apiVersion: chancery/v1\nkind: Route\n'],
        ['broken-route.yaml', 'apiVersion: chancery/v1\nkind: [\n'],
        ['forgotten.yaml', 'kind: Route\n'],
        ['empty.yaml', '\n'],
      ]),
    );
    expect({ services: services.size, problems }).toEqual({ services: 0, problems: [] });
  });

  it('is told of a key that is misspelt at the top', () => {
    expect(read('service: web\ninstnces: []\n').problems.map(({ code }) => code)).toEqual(['CH1323', 'CH1323']);
  });
});
