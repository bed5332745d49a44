// The places that a key-encryption key may come from, the forms that it may have there, and what is refused.
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type KeyReaders, type KeySource, readKeyEncryptionKey } from '../../../src/ca/key-encryption-key.ts';

// One whose base64 and base64url differ.
const key = Buffer.concat([Buffer.from('fbefbe', 'hex'), randomBytes(29)]);
const sources: readonly KeySource[] = [
  { kind: 'file', path: '/run/secrets/kek' },
  { kind: 'environment', name: 'CHANCERY_KEK' },
  { kind: 'command', command: ['vault', 'read', '-token=canary'] },
];

/** Readers that know only what `content` is and the exact places above. */
function readers(content: Uint8Array | string | Error | undefined): KeyReaders {
  const bytes = (): Promise<Uint8Array> =>
    content instanceof Error ? Promise.reject(content) : Promise.resolve(Buffer.from(content ?? ''));
  return {
    file: (path) => (path === '/run/secrets/kek' ? bytes() : Promise.reject(new Error('other file'))),
    environment: (name) => (name === 'CHANCERY_KEK' && content !== undefined ? String(content) : undefined),
    command: (command) =>
      command.join(' ') === 'vault read -token=canary' ? bytes() : Promise.reject(new Error('other')),
  };
}

describe.each(sources)('a key-encryption key from a $kind', (source) => {
  it.each([
    ['base64', key.toString('base64')],
    ['base64 without padding', key.toString('base64').replace('=', '')],
    ['base64url', key.toString('base64url')],
    ['hex', key.toString('hex')],
    ['hex in capitals', key.toString('hex').toUpperCase()],
    ['base64 with a line end', `${key.toString('base64')}\r\n`],
  ])('is read as %s', async (_, text) => {
    expect(key.equals(await readKeyEncryptionKey(readers(text), source))).toBe(true);
  });

  it.each([
    ['nothing', ''],
    ['white space', ' \n'],
    ['a password', 'correct horse battery staple'],
    ['a password of 32 characters', 'correct-horse-battery-staple-123'],
    ['16 bytes', randomBytes(16).toString('base64')],
    ['33 bytes', randomBytes(33).toString('base64')],
    ['31 bytes in hex', randomBytes(31).toString('hex')],
    ['zeros', '00'.repeat(32)],
    ['two keys', `${key.toString('hex')}\n${key.toString('hex')}`],
    ['a password in base64', Buffer.from('correct-horse-battery-staple-123').toString('base64')],
  ])('%s is refused without being told', async (_, text) => {
    const error = await readKeyEncryptionKey(readers(text), source).catch((reason: unknown) => reason as Error);
    expect(error).toMatchObject({ code: 'CH1805' });
    const words = (error as Error).message;
    if (text.trim() !== '') expect(words).not.toContain(text.trim().slice(0, 12));
    expect(words).not.toContain('canary');
  });
});

describe('a key-encryption key', () => {
  it.each(sources.filter(({ kind }) => kind !== 'environment'))(
    'from a $kind may be 32 bytes as they are',
    async (source) => {
      const raw: KeyReaders = { ...readers(''), file: () => Promise.resolve(key), command: () => Promise.resolve(key) };
      expect(key.equals(await readKeyEncryptionKey(raw, source))).toBe(true);
    },
  );

  it.each(sources)('that a $kind does not give is missing', async (source) => {
    const content = source.kind === 'environment' ? undefined : new Error('no such thing');
    await expect(readKeyEncryptionKey(readers(content), source)).rejects.toMatchObject({ code: 'CH1805' });
  });
});
