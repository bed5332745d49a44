import { describe, expect, it } from 'vitest';
import { hostPort, isLoopback, isLoopbackPeer } from '../../../src/util/host-port.ts';

describe('host and port', () => {
  it.each([
    ['10.0.0.1:80', '10.0.0.1', 80],
    ['[fd00::1]:80', 'fd00::1', 80],
    ['[fe80::1%eth0]:65535', 'fe80::1%eth0', 65_535],
    ['web-1.internal:8080', 'web-1.internal', 8080],
  ])('%s', (text, address, port) => {
    expect(hostPort(text)).toEqual({ address, port });
    expect(hostPort(text, 'assumed')).toEqual({ address, port });
  });

  it.each(['', ':80', '10.0.0.1', '10.0.0.1:0', '10.0.0.1:65536', '10.0.0.1:x', 'a b:80', 'fd00::1:80', 'http://a:80'])(
    '"%s" is none',
    (text) => {
      expect(hostPort(text)).toBeUndefined();
      expect(hostPort(text, 'assumed')).toBeUndefined();
    },
  );

  it('may be a port alone where a host is assumed', () => {
    expect(hostPort('80', '127.0.0.1')).toEqual({ address: '127.0.0.1', port: 80 });
    expect(hostPort('80')).toBeUndefined();
  });
});

describe('loopback', () => {
  it.each(['127.0.0.1', '127.9.9.9', '::1', '[::1]', 'localhost'])('%s', (host) => {
    expect(isLoopback(host)).toBe(true);
  });

  it.each(['::1', '127.0.0.1', '::ffff:127.0.0.1'])('of a peer: %s', (address) => {
    expect(isLoopbackPeer(address)).toBe(true);
  });

  it.each([
    '10.0.0.1',
    '::',
    '::ffff:10.0.0.1',
    '128.0.0.1',
    '',
    '1127.0.0.1',
    '127.0.0.1.example',
    '127.evil.example',
  ])('not "%s"', (host) => {
    expect(isLoopback(host)).toBe(false);
    expect(isLoopbackPeer(host)).toBe(false);
  });
});
