import { describe, expect, it } from 'vitest';
import { createSecrets, type Secrets } from '../../../src/control/secrets.ts';
import { identitySecret, rootsSecret } from '../../../src/resources/secret-names.ts';
import type { LogFields, Logger } from '../../../src/util/log.ts';
import { createFakeAuthority, type FakeAuthority, plainSecrets } from '../../support/authority.ts';
import { createFakeClock, type FakeClock } from '../../support/fake-clock.ts';

const hour = 3_600_000;
const web = 'spiffe://mesh.local/svc/web';
const api = 'spiffe://mesh.local/svc/api';

interface Rig {
  readonly clock: FakeClock;
  readonly authority: FakeAuthority;
  readonly secrets: Secrets;
  readonly logged: string[];
}

function rig(): Rig {
  const clock = createFakeClock();
  const authority = createFakeAuthority(clock, 24 * hour);
  const logged: string[] = [];
  const line = (message: string, fields?: LogFields): void => void logged.push(`${message} ${JSON.stringify(fields)}`);
  const log: Logger = { debug: line, info: line, warn: line, error: line, child: () => log };
  const secrets = createSecrets({ clock, random: () => 0.5, log, authority, encode: plainSecrets });
  return { clock, authority, secrets, logged };
}

const textOf = (kept: ReturnType<Secrets['keep']>, name: string): string | undefined => {
  const resource = kept.now().get(name);
  return resource === undefined ? undefined : Buffer.from(resource.bytes).toString();
};

describe('the secrets of a view', () => {
  it('come together, and are told once', async () => {
    const { clock, secrets } = rig();
    const told: (readonly string[])[] = [];
    const kept = secrets.keep(web, 'a', (names) => told.push(names));
    expect(kept.now().size).toBe(0);
    expect(kept.issued()).toBeUndefined();
    await clock.settle();
    expect(told).toEqual([[identitySecret, rootsSecret]]);
    expect(textOf(kept, identitySecret)).toBe(`${web} 1key of ${web} 1`);
    expect(textOf(kept, rootsSecret)).toBe('one');
    expect(kept.issued()).toMatchObject({ spiffeId: web, serial: '1', root: 'one' });
    expect(JSON.stringify(kept.issued())).not.toContain('key of');
  });

  it('are renewed in time, with the old one served until then', async () => {
    const { clock, authority, secrets } = rig();
    const told: (readonly string[])[] = [];
    const kept = secrets.keep(web, 'a', (names) => told.push(names));
    await clock.settle();
    await clock.advanceAsync(12 * hour - 1);
    expect(authority.asked.map(({ urgency }) => urgency)).toEqual(['none-yet']);
    await clock.advanceAsync(2);
    expect(authority.asked.map(({ urgency }) => urgency)).toEqual(['none-yet', 'routine']);
    expect(told.at(-1)).toEqual([identitySecret]);
    expect(kept.issued()?.serial).toBe('2');
  });

  it('are kept while none can be issued, asked for more urgently, and logged without the key', async () => {
    const { clock, authority, secrets, logged } = rig();
    const kept = secrets.keep(web, 'a', () => {});
    await clock.settle();
    authority.broken = true;
    await clock.advanceAsync(20 * hour);
    expect(kept.issued()?.serial).toBe('1');
    expect(authority.asked.at(-1)?.urgency).toBe('expiring');
    expect(authority.asked.length).toBeLessThan(8 * 60 * 2 + 20);
    expect(logged.join('\n')).toContain(web);
    expect(logged.join('\n')).not.toContain('key of');
    authority.broken = false;
    await clock.advanceAsync(60_001);
    expect(kept.issued()?.serial).toBe('2');
  });

  it('T15: are replaced within half a minute where what signed them is tainted, also what was on its way then', async () => {
    const { clock, authority, secrets } = rig();
    const kept = secrets.keep(web, 'a', () => {});
    await clock.settle();
    authority.taint();
    await clock.advanceAsync(30_000);
    expect([kept.issued()?.issuer, authority.asked.at(-1)?.urgency]).toEqual(['2', 'rotation']);
    const asked = authority.asked.length;
    await clock.advanceAsync(hour);
    expect(authority.asked.length).toBe(asked);
    // Asked for, and not there yet, as the next one begins to sign.
    const later = secrets.keep(api, 'b', () => {});
    authority.taint();
    await clock.advanceAsync(31_000);
    expect([later.issued()?.issuer, kept.issued()?.issuer]).toEqual(['3', '3']);
  });

  it('get new roots at once, and a certificate of another signing root within half a minute', async () => {
    const { clock, authority, secrets } = rig();
    const told: (readonly string[])[] = [];
    const kept = secrets.keep(web, 'a', (names) => told.push(names));
    await clock.settle();
    authority.changeRoots('one', 'two');
    expect(told.at(-1)).toEqual([rootsSecret]);
    expect(textOf(kept, rootsSecret)).toBe('onetwo');
    await clock.advanceAsync(60_000);
    expect(kept.issued()?.serial).toBe('1');
    authority.changeRoots('two', 'one');
    expect(kept.issued()?.serial).toBe('1');
    await clock.advanceAsync(30_001);
    expect(kept.issued()).toMatchObject({ serial: '2', root: 'two' });
    expect(authority.asked.at(-1)?.urgency).toBe('rotation');
    await clock.advanceAsync(12 * hour + 1);
    expect(authority.asked.at(-1)?.urgency).toBe('routine');
  });

  it('T1: are of one identity each', async () => {
    const { clock, secrets } = rig();
    const [one, other] = [secrets.keep(web, 'a', () => {}), secrets.keep(api, 'b', () => {})];
    await clock.settle();
    expect(textOf(one, identitySecret)).toContain(web);
    expect(textOf(one, identitySecret)).not.toContain(api);
    expect(textOf(other, identitySecret)).toContain(api);
  });

  it('are gone when nobody needs them, also while one is on its way', async () => {
    const { clock, authority, secrets } = rig();
    let told = 0;
    const kept = secrets.keep(web, 'a', () => told++);
    kept.close();
    await clock.settle();
    expect(told).toBe(0);
    expect(kept.now().size).toBe(0);
    expect(clock.pending()).toBe(0);
    authority.changeRoots('two');
    expect(told).toBe(0);
  });
});
