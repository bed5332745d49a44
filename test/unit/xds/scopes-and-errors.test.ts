// Scoped routes in the order of a change, absent names told to gRPC clients, and names compared by their parts.
import { readFileSync } from 'node:fs';
import { fromBinary, type Message } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { createProtos } from '../../../src/resources/protos.ts';
import type { Resource } from '../../../src/resources/resource.ts';
import { decodeDelta } from '../../../src/xds/requests.ts';
import { canonicalName } from '../../../src/xds/resource-names.ts';
import { createMessages } from '../../../src/xds/responses.ts';
import { resource } from '../../support/static-views.ts';
import { CDS, drive, EDS, LDS, RDS, SRDS } from './driver.ts';

describe('scoped routes', () => {
  const scope = (name: string, routes: string): Resource =>
    resource(SRDS, name, { content: routes, deps: [{ type: RDS, name: routes }] });
  const routes = (name: string, cluster: string): Resource =>
    resource(RDS, name, { content: cluster, deps: [{ type: CDS, name: cluster }] });
  const listener = (content = '1'): Resource => resource(LDS, 'in', { content });
  const world = (cluster: string, name: string): Resource[] => [
    resource(CDS, cluster),
    listener(),
    scope('eu', name),
    routes(name, cluster),
  ];

  it.each(['sotw', 'delta'] as const)('R43, R44, R45: %s: cluster, scope, routes, removal', (variant) => {
    const driver = drive({ variant, resources: world('a', 'r1') });
    const ask = (type: typeof SRDS | typeof RDS, names: readonly string[]): string[] =>
      variant === 'sotw' ? driver.sotw(type, names) : driver.delta(type, { subscribe: names });
    for (const type of [CDS, LDS, SRDS] as const) {
      if (variant === 'sotw') driver.sotw(type, []);
      else driver.delta(type);
      driver.ack(type);
    }
    ask(RDS, ['r1']);
    driver.ack(RDS);
    expect(driver.publish(world('b', 'r2'))).toEqual([variant === 'sotw' ? 'CDS a b' : 'CDS b']);
    // The scope waits until the clusters of its routes are warm.
    expect(driver.ack(CDS)).toEqual(['SRDS eu']);
    expect(driver.ack(SRDS)).toEqual(variant === 'sotw' ? [] : ['RDS -r1']);
    if (variant === 'delta') driver.ack(RDS);
    expect(ask(RDS, ['r2'])).toEqual(['RDS r2']);
    expect(driver.ack(RDS)).toEqual([variant === 'sotw' ? 'CDS b -a' : 'CDS -a']);
  });
});

describe('R57: absent names', () => {
  const protos = createProtos(readFileSync(new URL('../../../src/gen/envoy.binpb', import.meta.url)));
  const unknownFields = (bytes: Buffer): number[] =>
    ((fromBinary(protos.message('envoy.service.discovery.v3.DiscoveryResponse'), bytes) as Message).$unknown ?? []).map(
      ({ no }) => no,
    );

  it('are told once to who can take it, and the interest stays', () => {
    const driver = drive({
      variant: 'sotw',
      legacyWildcard: false,
      resourceErrors: true,
      resources: [resource(RDS, 'r')],
    });
    expect(driver.sotw(RDS, ['r', 'none'])).toEqual(['RDS r']);
    // resource_errors { 1 { 1: "none" } 2 { 1: NOT_FOUND, 2: text } }: the field is newer than the protos at hand.
    const { bytes } = driver.last(RDS);
    expect(unknownFields(bytes)).toEqual([7]);
    const text = 'there is no resource of this name';
    const status = Buffer.concat([Buffer.from([0x08, 5, 0x12, text.length]), Buffer.from(text)]);
    const named = Buffer.concat([Buffer.from([0x0a, 6, 0x0a, 4]), Buffer.from('none')]);
    const body = Buffer.concat([named, Buffer.from([0x12, status.length]), status]);
    expect(bytes.subarray(-body.length - 2)).toEqual(Buffer.concat([Buffer.from([0x3a, body.length]), body]));
    expect(driver.ack(RDS)).toEqual([]);
    expect(driver.publish([resource(RDS, 'r', { content: '2' })])).toEqual(['RDS r']);
    expect(unknownFields(driver.last(RDS).bytes)).toEqual([]);
    driver.ack(RDS);
    expect(driver.publish([resource(RDS, 'r', { content: '2' }), resource(RDS, 'none')])).toEqual(['RDS none']);
  });
  it('are told alone where nothing else is to be said', () => {
    const driver = drive({ variant: 'sotw', legacyWildcard: false, resourceErrors: true });
    expect(driver.sotw(RDS, ['none'])).toEqual(['RDS']);
    expect(unknownFields(driver.last(RDS).bytes)).toEqual([7]);
    expect(driver.ack(RDS)).toEqual([]);
  });
  it('need no words where the answer has them: an empty assignment, a set without the name; and for Envoy', () => {
    const grpc = drive({ variant: 'sotw', legacyWildcard: false, resourceErrors: true });
    expect([grpc.sotw(EDS, ['x']), grpc.sotw(CDS, ['x']), grpc.sotw(LDS, ['x'])]).toEqual([
      ['EDS x'],
      ['CDS'],
      ['LDS'],
    ]);
    for (const type of [EDS, CDS, LDS]) expect(unknownFields(grpc.last(type).bytes)).toEqual([]);
    expect(drive({ variant: 'sotw' }).sotw(RDS, ['none'])).toEqual([]);
  });
});

describe('names', () => {
  it('R55: xdstp names are equal if their parts are, whatever the order of their parameters', () => {
    const sorted = 'xdstp://authority/T/x/y?a=1&b=2#part';
    expect(canonicalName('xdstp://authority/T/x/y?b=2&a=1#part')).toBe(sorted);
    expect(canonicalName(sorted)).toBe(sorted);
    expect(canonicalName('xdstp://authority/T/x?')).toBe('xdstp://authority/T/x');
    for (const plain of ['shop?b=2&a=1', '', '*', 'xdstp://authority/T/x']) expect(canonicalName(plain)).toBe(plain);
    const name = 'xdstp://authority/T/x?b=2&a=1';
    const subscribe = Buffer.concat([Buffer.from([0x1a, name.length]), Buffer.from(name)]);
    expect(decodeDelta(subscribe).subscribe).toEqual(['xdstp://authority/T/x?a=1&b=2']);
  });
  it('R4: names with line breaks in them are not mistaken for several names', () => {
    const messages = createMessages('test', 'e');
    const removal = (removed: readonly string[]) => messages.delta({ type: CDS, resources: [], removed }, 0);
    expect(removal(['a\nb'])).not.toBe(removal(['a', 'b']));
    expect(removal(['a', 'b']).removed).toEqual(['a', 'b']);
    expect(removal(['1:a,1:b'])).not.toBe(removal(['a', 'b']));
  });
});
