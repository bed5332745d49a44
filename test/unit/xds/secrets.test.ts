// T21: what is told of secrets, whoever asks: never a byte of one.
import { describe, expect, it } from 'vitest';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import { shown, withoutKeys } from '../../../src/xds/secrets.ts';
import { resource } from '../../support/static-views.ts';
import { drive } from './driver.ts';

const SDS = typeUrls.secret;
const line = 'MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgq1Vd7mZb0yH3W8aB';
const pem = `-----BEGIN PRIVATE KEY-----\n${line}\n${line}\n-----END PRIVATE KEY-----\n`;

describe.each(['sotw', 'delta'] as const)('T21: a %s stream with a secret', (variant) => {
  const open = () => {
    const driver = drive({ variant, resources: [resource(SDS, 'mesh:identity', { content: pem })] });
    if (variant === 'sotw') driver.sotw(SDS, ['mesh:identity']);
    else driver.delta(SDS, { subscribe: ['mesh:identity'] });
    return driver;
  };

  it('describes it by name and version, without its content', () => {
    const driver = open();
    expect(driver.sent.some(({ bytes }) => bytes.includes(line))).toBe(true);
    const [told] = driver.describe();
    expect(told).toMatchObject({ name: 'mesh:identity', status: 'stale', resource: { name: 'mesh:identity' } });
    expect(told?.resource?.version).not.toBe('');
    expect(told?.resource?.bytes).toHaveLength(0);
    driver.ack(SDS);
    expect(driver.describe()[0]?.status).toBe('synced');
  });

  it('tells a refusal without the key that the client quotes', () => {
    const driver = open();
    driver.nack(SDS, `mesh:identity: Failed to load private key from <inline>: ${pem}`);
    const [nack] = driver.notices.filter(({ kind }) => kind === 'nack');
    expect(nack).toMatchObject({ message: 'mesh:identity: Failed to load private key from <inline>: [left out]\n' });
    expect(driver.describe()[0]).toMatchObject({ status: 'error', reason: expect.stringContaining('[left out]') });
    expect(JSON.stringify([driver.notices, driver.describe()])).not.toContain(line.slice(0, 20));
  });
});

it('T21: leaves out of words whatever may be a key, and nothing else', () => {
  const octal = '\\060\\201\\207\\002\\001\\000';
  for (const [words, told] of [
    [`a ${pem} b`, 'a [left out]\n b'],
    [pem.slice(0, 60), '[left out]'],
    [`{ inline_string: "${pem.replaceAll('\n', '\\n')}" }`, '{ inline_string: [left out] }'],
    [`{ inline_bytes: "${octal.repeat(9)}" }`, '{ inline_bytes: [left out] }'],
    [`bytes ${octal}`, 'bytes [left out]'],
    [`key ${line}`, 'key [left out]'],
    ['tls:shop.example.com: certificate chain is empty', undefined],
    ['Failed to load certificate chain from <inline>, only P-256, P-384 or P-521 ECDSA certificates', undefined],
    ['', undefined],
  ] as const)
    expect(withoutKeys(words)).toBe(told ?? words);
});

it('other resources are shown whole', () => {
  const cluster = resource(typeUrls.cluster, 'a', { content: 'x' });
  expect(shown(cluster)).toBe(cluster);
  expect(shown(undefined)).toBe(undefined);
});
