// What is asked for by name when it is needed: virtual hosts (VHDS) and clusters beside or instead of "*" (ODCDS).
import { describe, expect, it } from 'vitest';
import type { Resource } from '../../../src/resources/resource.ts';
import { type ResourceParts, resource } from '../../support/static-views.ts';
import { CDS, type Driver, drive, EDS, LDS, RDS, VHDS } from './driver.ts';

const host = (name: string, parts: ResourceParts = {}): Resource => resource(VHDS, `main/${name}`, parts);
const shop = host('shop', { content: 'x', aliases: ['main/shop.example', 'main/www.shop.example'] });
const routes = (content = '1'): Resource => resource(RDS, 'main', { content });
const delta = (resources: readonly Resource[]): Driver => drive({ variant: 'delta', resources });
const aliasesOf = (driver: Driver): unknown =>
  Object.fromEntries([...driver.last(VHDS).resources].map(([name, { aliases }]) => [name, aliases]));

describe('virtual hosts', () => {
  it('R33: a name and an alias lead to the same virtual host, which says what it was asked for by', () => {
    const driver = delta([shop, host('other')]);
    expect(driver.delta(VHDS, { subscribe: ['main/www.shop.example'] })).toEqual(['VHDS main/shop']);
    expect(aliasesOf(driver)).toEqual({ 'main/shop': ['main/www.shop.example'] });
    driver.ack(VHDS);
    expect(driver.delta(VHDS, { subscribe: ['main/shop', 'main/shop.example'] })).toEqual(['VHDS main/shop']);
    expect(aliasesOf(driver)).toEqual({ 'main/shop': ['main/shop', 'main/shop.example', 'main/www.shop.example'] });
  });
  it('R33: an unresolved alias is answered by name and alias without a body, once, and sent when it exists', () => {
    const driver = delta([]);
    expect(driver.delta(VHDS, { subscribe: ['main/www.shop.example'] })).toEqual(['VHDS main/www.shop.example']);
    expect(aliasesOf(driver)).toEqual({ 'main/www.shop.example': ['main/www.shop.example'] });
    expect(driver.last(VHDS).resources.get('main/www.shop.example')?.bytes).toHaveLength(0);
    expect(driver.ack(VHDS)).toEqual([]);
    expect(driver.publish([host('other')])).toEqual([]);
    expect(driver.publish([host('other'), shop])).toEqual(['VHDS main/shop']);
    expect(aliasesOf(driver)).toEqual({ 'main/shop': ['main/www.shop.example'] });
    driver.ack(VHDS);
    expect(driver.publish([host('other')])).toEqual(['VHDS -main/shop']);
    driver.ack(VHDS);
    expect(driver.delta(VHDS, { subscribe: ['main/www.shop.example'] })).toEqual(['VHDS main/www.shop.example']);
  });
  it('R33: a host that moves to another virtual host takes its subscription along', () => {
    const driver = delta([shop, host('new', { content: 'n' })]);
    driver.delta(VHDS, { subscribe: ['main/www.shop.example'] });
    driver.ack(VHDS);
    const moved = [
      host('shop', { content: 'y', aliases: ['main/shop.example'] }),
      host('new', { content: 'n2', aliases: ['main/www.shop.example'] }),
    ];
    // The old one goes in the same message: two virtual hosts of one host would be refused.
    expect(driver.publish(moved)).toEqual(['VHDS main/new -main/shop']);
    driver.ack(VHDS);
    expect(driver.publish([])).toEqual(['VHDS -main/new']);
  });
  it('R28, R30: an alias dropped says nothing, and only the last of them ends the subscription', () => {
    const driver = delta([shop]);
    driver.delta(VHDS, { subscribe: ['main/shop.example', 'main/www.shop.example'] });
    driver.ack(VHDS);
    expect(driver.delta(VHDS, { unsubscribe: ['main/shop.example'] })).toEqual([]);
    const next = (content: string): Resource => host('shop', { content, aliases: ['main/www.shop.example'] });
    expect(driver.publish([next('2')])).toEqual(['VHDS main/shop']);
    driver.ack(VHDS);
    expect(driver.delta(VHDS, { unsubscribe: ['main/www.shop.example'] })).toEqual([]);
    expect(driver.publish([next('3')])).toEqual([]);
  });
  it('R48: after new content of a route configuration all its subscribed virtual hosts are sent again', () => {
    const elsewhere = resource(VHDS, 'main/edge/shop', { content: 'e' });
    const driver = delta([shop, routes(), elsewhere]);
    driver.delta(RDS, { subscribe: ['main'] });
    driver.ack(RDS);
    driver.delta(VHDS, { subscribe: ['main/shop.example', 'main/none', 'main/edge/shop'] });
    driver.ack(VHDS);
    // `main/edge` is another route configuration: hosts have no slash, so names are read from the right.
    expect(driver.publish([shop, routes('2'), elsewhere])).toEqual(['RDS main', 'VHDS main/shop']);
  });
  it('R34, R36: a first request without names is no wildcard, but answered: an Envoy starts no listener before', () => {
    expect(delta([shop]).delta(VHDS)).toEqual(['VHDS']);
    const driver = delta([shop, routes()]);
    // It waits for something in the space of its route configuration: that no host is none of it will do.
    expect(driver.delta(VHDS)).toEqual(['VHDS -main/']);
    expect(driver.ack(VHDS)).toEqual([]);
    driver.delta(RDS, { subscribe: ['main'] });
    driver.ack(RDS);
    driver.ack(VHDS);
    expect(driver.publish([shop, routes('2')])).toEqual(['RDS main', 'VHDS -main/']);
    driver.ack(VHDS);
    expect(driver.publish([host('shop', { content: '2' })])).toEqual([]);
  });
  it('R34, R37: "*" of an Envoy that comes back brings no more than the names beside it', () => {
    const driver = delta([shop, host('other')]);
    expect(driver.delta(VHDS, { subscribe: ['*', 'main/shop.example'] })).toEqual(['VHDS main/shop']);
    driver.ack(VHDS);
    expect(driver.publish([shop, host('other', { content: '2' }), host('more')])).toEqual([]);
    expect(delta([shop]).delta(VHDS, { subscribe: ['*'] })).toEqual(['VHDS']);
  });
  it('R38, R39: on reconnect every subscribed name is answered', () => {
    const driver = delta([shop]);
    // Envoy tells of what it holds by own names, also of what nothing leads to any more.
    const versions = new Map([
      ['main/shop', shop.version],
      ['main/old', 'x'],
    ]);
    expect(driver.delta(VHDS, { subscribe: ['*', 'main/shop.example', 'main/gone'], versions })).toEqual([
      'VHDS main/gone main/shop -main/old',
    ]);
  });
  it('R13: a rejected virtual host is not sent again until its content changes', () => {
    const driver = delta([shop]);
    driver.delta(VHDS, { subscribe: ['main/shop.example'] });
    expect(driver.nack(VHDS)).toEqual([]);
    expect(driver.publish([shop, host('other')])).toEqual([]);
    const mended = host('shop', { content: 'good', aliases: ['main/shop.example'] });
    expect(driver.publish([mended])).toEqual(['VHDS main/shop']);
  });
  it('R44: a virtual host waits for the clusters it names, as a route does', () => {
    const cluster = resource(CDS, 'a');
    const named = (content: string, name: string): Resource =>
      host('shop', { content, aliases: ['main/shop.example'], deps: [{ type: CDS, name }] });
    const driver = delta([cluster, named('1', 'a')]);
    driver.delta(CDS);
    driver.ack(CDS);
    driver.delta(VHDS, { subscribe: ['main/shop.example'] });
    driver.ack(VHDS);
    expect(driver.publish([resource(CDS, 'b'), named('2', 'b')])).toEqual(['CDS b']);
    expect(driver.ack(CDS)).toEqual(['VHDS main/shop']);
    expect(driver.ack(VHDS)).toEqual(['CDS -a']);
  });
  it('R1: exist in delta only', () => {
    const driver = drive({ variant: 'sotw', resources: [shop] });
    expect(driver.sotw(VHDS, ['main/shop'])).toEqual([]);
    expect(driver.effects).toEqual([{ kind: 'ignored', typeUrl: VHDS }]);
  });
  it('describes itself by the names that were asked for', () => {
    const driver = delta([shop]);
    driver.delta(VHDS, { subscribe: ['main/shop.example', 'main/none'] });
    driver.ack(VHDS);
    expect(driver.describe().map(({ name, status }) => [name, status])).toEqual([
      ['main/none', 'not-sent'],
      ['main/shop.example', 'synced'],
    ]);
  });
});

describe('clusters on demand', () => {
  const cluster = (name: string, parts: ResourceParts = {}): Resource =>
    resource(CDS, name, { deps: [{ type: EDS, name }], ...parts });
  const hidden = (name: string, content = '1'): Resource => cluster(name, { content, byNameOnly: true });
  it('R31: next to the wildcard: sent when named, absent answered at once, its endpoints when asked for', () => {
    const driver = delta([cluster('a'), hidden('late'), resource(EDS, 'late')]);
    expect(driver.delta(CDS, { subscribe: ['*'] })).toEqual(['CDS a']);
    driver.ack(CDS);
    expect(driver.publish([cluster('a'), hidden('late', '2'), resource(EDS, 'late')])).toEqual([]);
    expect(driver.delta(CDS, { subscribe: ['late', 'none'] })).toEqual(['CDS late -none']);
    // Its ACK comes when it is warm, so its endpoints cannot wait for that.
    expect(driver.delta(EDS, { subscribe: ['late'] })).toEqual(['EDS late']);
    driver.ack(EDS);
    driver.ack(CDS);
    expect(driver.publish([cluster('a'), hidden('late', '3'), resource(EDS, 'late')])).toEqual([
      'CDS late',
      'EDS late',
    ]);
  });
  it('R35: a name dropped beside the wildcard, which does not cover it, is removed', () => {
    const driver = delta([cluster('a'), hidden('late')]);
    driver.delta(CDS, { subscribe: ['*', 'late', 'a'] });
    driver.ack(CDS);
    expect(driver.delta(CDS, { unsubscribe: ['late', 'a'] })).toEqual(['CDS a -late']);
    driver.ack(CDS);
    expect(driver.publish([cluster('a'), hidden('late', '2')])).toEqual([]);
  });
  it('R31: instead of the wildcard: nothing comes but what is named', () => {
    const driver = delta([cluster('a'), hidden('late')]);
    expect(driver.delta(CDS, { subscribe: ['late'] })).toEqual(['CDS late']);
    driver.ack(CDS);
    expect(driver.publish([cluster('a', { content: '2' }), cluster('b'), hidden('late')])).toEqual([]);
    expect(driver.publish([cluster('a'), hidden('late', '2')])).toEqual(['CDS late']);
    driver.ack(CDS);
    expect(driver.publish([])).toEqual(['CDS -late']);
  });
  it.each(['sotw', 'delta'] as const)(
    'R38: %s: what is to be named from now on goes from who has it by wildcard',
    (variant) => {
      const driver = drive({ variant, resources: [cluster('a'), cluster('late')] });
      if (variant === 'sotw') driver.sotw(CDS, []);
      else driver.delta(CDS);
      driver.ack(CDS);
      const next = [cluster('a'), hidden('late', '2')];
      expect(driver.publish(next)).toEqual([variant === 'sotw' ? 'CDS a -late' : 'CDS -late']);
      if (variant === 'sotw') return;
      const back = delta(next);
      expect(back.delta(CDS, { versions: new Map([['late', hidden('late', '2').version]]) })).toEqual(['CDS a']);
      expect(back.delta(LDS).concat(back.ack(LDS), back.ack(CDS))).toEqual(['LDS', 'CDS -late']);
    },
  );
  it('a second cluster that shares a service gets its endpoints unasked', () => {
    const shared = (name: string): Resource =>
      resource(CDS, name, { deps: [{ type: EDS, name: 's' }], byNameOnly: true });
    const driver = delta([shared('a'), shared('b'), resource(EDS, 's')]);
    driver.delta(CDS, { subscribe: ['a'] });
    driver.ack(CDS);
    driver.delta(EDS, { subscribe: ['s'] });
    driver.ack(EDS);
    expect(driver.delta(CDS, { subscribe: ['b'] })).toEqual(['CDS b', 'EDS s']);
  });
  it.each(['sotw', 'delta'] as const)('%s: a wildcard never brings what is to be named', (variant) => {
    const driver = drive({ variant, resources: [cluster('a'), hidden('late'), resource(LDS, 'in')] });
    expect(variant === 'sotw' ? driver.sotw(CDS, []) : driver.delta(CDS)).toEqual(['CDS a']);
    driver.ack(CDS);
    expect(driver.publish([cluster('a', { content: '2' }), hidden('late', '2')])).toEqual(['CDS a']);
    if (variant === 'sotw') expect(driver.ack(CDS).concat(driver.sotw(CDS, ['*', 'late']))).toEqual(['CDS a late']);
  });
});
