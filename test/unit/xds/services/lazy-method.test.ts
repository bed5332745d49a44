import { expect, it } from 'vitest';
import { silentLogger } from '../../../../src/util/log.ts';
import { lazyMethod } from '../../../../src/xds/services/lazy-method.ts';
import type { Sink, StreamListener } from '../../../../src/xds/sink.ts';
import { createFakeSink } from './fake-sink.ts';

function fixture() {
  const sink = createFakeSink();
  const { said } = sink;
  const listener: StreamListener = {
    incoming: (bytes) => void said.push(`in ${bytes.toString()}`),
    halfClosed: () => void said.push('half'),
    closed: (reason) => void said.push(`closed ${reason}`),
  };
  const loading = Promise.withResolvers<(sink: Sink) => StreamListener>();
  const method = lazyMethod({ path: '/a.B/C', log: silentLogger, load: () => loading.promise });
  return { said, sink, loading, listener, opened: method.open(sink) };
}

it('what comes while the code loads is taken in order', async () => {
  const { said, loading, listener, opened } = fixture();
  opened.incoming(Buffer.from('1'));
  opened.incoming(Buffer.from('2'));
  opened.halfClosed();
  loading.resolve(() => listener);
  await expect.poll(() => said).toEqual(['pause', 'resume', 'in 1', 'in 2', 'half']);
  opened.incoming(Buffer.from('3'));
  opened.closed('gone');
  expect(said.slice(5)).toEqual(['in 3', 'closed gone']);
});

it('a client that is gone by then is not served', async () => {
  const { said, loading, listener, opened } = fixture();
  opened.incoming(Buffer.from('1'));
  opened.closed('gone');
  loading.resolve(() => listener);
  await loading.promise;
  await Promise.resolve();
  expect(said).toEqual(['pause']);
});

it('code that cannot be loaded ends the stream', async () => {
  const { said, loading } = fixture();
  loading.reject(new Error('no such file'));
  await expect.poll(() => said).toEqual(['pause', 'end internal']);
});
