// The threads that sign: what they are asked next, and what happens when one dies.
import { X509Certificate } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import type { Urgency } from '../../../src/ca/contract.ts';
import type { Signer, StartSigner } from '../../../src/ca/signer.ts';
import { startSigner } from '../../../src/ca/signer.ts';
import type { SigningAnswer, SigningTask } from '../../../src/ca/signing.ts';
import { createSigningPool, type SigningPool } from '../../../src/ca/signing-pool.ts';
import { generateKeyPair, type Issuer, randomSerial, selfSignedRoot } from '../../../src/ca/x509.ts';
import { silentLogger } from '../../../src/util/log.ts';
import { noMetrics } from '../../../src/util/metrics.ts';
import { createFakeClock, type FakeClock } from '../../support/fake-clock.ts';

/** A thread that answers when it is told to. */
interface SimulatedSigner {
  readonly tasks: SigningTask[];
  /** Answers its oldest task. */
  answer(): void;
  die(): void;
  killed: boolean;
}

const signed = { certificate: new Uint8Array(1), key: new Uint8Array(1), serial: '01' };
const issuer = {} as Issuer;
const pools: SigningPool[] = [];
afterEach(() => {
  for (const pool of pools.splice(0)) pool.stop();
});

function simulated(threads = 1, maxWaiting = 1_000) {
  const clock = createFakeClock();
  const signers: SimulatedSigner[] = [];
  const start: StartSigner = (_name, onAnswers): Signer => {
    const ended = Promise.withResolvers<string>();
    const tasks: SigningTask[] = [];
    const signer: SimulatedSigner = {
      tasks,
      killed: false,
      answer: () => onAnswers((tasks.shift()?.orders ?? []).map(({ id }): SigningAnswer => ({ id, signed }))),
      die: () => ended.resolve('it was shot'),
    };
    signers.push(signer);
    return {
      post: (task) => tasks.push(task),
      hold: () => {},
      ended: ended.promise,
      kill() {
        signer.killed = true;
        ended.resolve('killed');
      },
    };
  };
  const pool = createPool(clock, start, threads, maxWaiting);
  /** Names that were handed out and not answered. */
  const asked = (): string[] =>
    signers.flatMap(({ tasks }) => tasks.flatMap(({ orders }) => orders.map(({ order }) => nameIn(order))));
  const nameIn = (order: SigningTask['orders'][number]['order']): string =>
    'spiffeId' in order ? order.spiffeId : order.kind === 'server' ? order.uri : order.hosts.join();
  const validity = { notBeforeMs: 0, notAfterMs: 1 };
  const sign = (name: string, urgency: Urgency = 'routine', by = issuer): Promise<unknown> => {
    const answer = pool.sign(urgency, () => ({ issuer: by, order: { kind: 'leaf', spiffeId: name, validity } }));
    // Not every test waits for the end.
    answer.catch(() => {});
    return answer;
  };
  return { clock, signers, pool, asked, sign };
}

function createPool(clock: FakeClock, start: StartSigner, threads: number, maxWaiting: number): SigningPool {
  const pool = createSigningPool(
    { clock, random: () => 0.5, log: silentLogger, metrics: noMetrics, start },
    { threads, maxWaiting },
  );
  pools.push(pool);
  return pool;
}

const names = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`);

describe('who is asked next', () => {
  it('is who has no certificate yet, though ten thousand wait for their usual renewal', async () => {
    const { clock, signers, asked, sign } = simulated(1, 20_000);
    const all = names('routine', 10_000).map((name) => sign(name));
    await clock.settle();
    const inFlight = asked().length;
    // A thread has little: what is urgent waits for no more than that.
    expect(inFlight).toBeLessThanOrEqual(32);
    void sign('moved', 'rotation');
    void sign('ending', 'expiring');
    void sign('new', 'none-yet');
    await clock.settle();
    while (!asked().includes('new')) signers[0]?.answer();
    expect(asked().filter((name) => !name.startsWith('routine'))).toEqual(['new', 'ending', 'moved']);
    for (let turn = 0; turn < 1_000; turn++) signers[0]?.answer();
    await expect(Promise.all(all)).resolves.toHaveLength(10_000);
  });

  it('is spread over the threads', async () => {
    const { clock, signers, sign } = simulated(3);
    for (const name of names('a', 96)) void sign(name);
    await clock.settle();
    expect(signers.map(({ tasks }) => tasks.flatMap(({ orders }) => orders).length)).toEqual([32, 32, 32]);
  });

  it('refuses what is more than may wait, and keeps what waits', async () => {
    const { clock, signers, sign } = simulated(1, 40);
    const kept = names('a', 40).map((name) => sign(name));
    await expect(sign('late', 'none-yet')).rejects.toMatchObject({ code: 'CH1817', retryable: true });
    await clock.settle();
    for (let turn = 0; turn < 5; turn++) signers[0]?.answer();
    await expect(Promise.all(kept)).resolves.toHaveLength(40);
  });

  it('tells a thread of the issuer once, and of another one before what it signs', async () => {
    const { clock, signers, sign } = simulated();
    const other = { ...issuer };
    void sign('a');
    void sign('b');
    void sign('c', 'routine', other);
    await clock.settle();
    signers[0]?.answer();
    await clock.settle();
    void sign('d', 'routine', other);
    await clock.settle();
    expect(signers[0]?.tasks.map((task) => [task.issuer === other, task.orders.length])).toEqual([
      [true, 1],
      [false, 1],
    ]);
  });
});

describe('a thread that dies', () => {
  it('is replaced after a while, and what it had is asked again, what it may have died of alone', async () => {
    const { clock, signers, asked, sign } = simulated();
    const all = names('a', 3).map((name) => sign(name));
    await clock.settle();
    signers[0]?.die();
    await clock.settle();
    expect(signers).toHaveLength(1);
    await clock.advanceAsync(100);
    expect(signers).toHaveLength(2);
    const again: string[] = [];
    for (let turn = 0; turn < 3; turn++) {
      // The one that died holds its tasks still.
      again.push(...asked().slice(3));
      signers[1]?.answer();
      await clock.settle();
    }
    expect(again).toEqual(['a0', 'a1', 'a2']);
    await expect(Promise.all(all)).resolves.toHaveLength(3);
  });

  it('leaves its work to those that live', async () => {
    const { clock, signers, sign } = simulated(2);
    const all = names('a', 20).map((name) => sign(name));
    await clock.settle();
    signers[0]?.die();
    await clock.settle();
    for (let turn = 0; turn < 40; turn++) {
      signers[1]?.answer();
      await clock.settle();
    }
    await expect(Promise.all(all)).resolves.toHaveLength(20);
    expect(signers).toHaveLength(2);
  });

  it('again and again over one request ends that request, and no other', async () => {
    const { clock, signers, asked, sign } = simulated();
    const bad = sign('bad');
    const good = names('a', 4).map((name) => sign(name));
    const outcome = bad.catch((error: unknown) => error);
    for (let turn = 0; turn < 30; turn++) {
      await clock.advanceAsync(20_000);
      const living = signers.at(-1);
      const had = living?.tasks.flatMap(({ orders }) => orders) ?? [];
      if (had.some(({ order }) => order.kind === 'leaf' && order.spiffeId === 'bad')) living?.die();
      else if (had.length > 0) living?.answer();
    }
    expect(await outcome).toMatchObject({ code: 'CH1818', retryable: true });
    await expect(Promise.all(good)).resolves.toHaveLength(4);
    expect(signers).toHaveLength(3);
    expect(asked().filter((name) => name === 'bad')).toHaveLength(3);
  });
});

describe('the end', () => {
  it('refuses what waits, what was asked and what comes later, and ends the threads', async () => {
    const { clock, signers, pool, sign } = simulated();
    const all = names('a', 50).map((name) => sign(name).catch((error: unknown) => error));
    await clock.settle();
    pool.stop();
    for (const outcome of await Promise.all(all)) expect(outcome).toMatchObject({ code: 'CH1815' });
    await expect(sign('late')).rejects.toMatchObject({ code: 'CH1815' });
    expect(signers.every(({ killed }) => killed)).toBe(true);
    await clock.advanceAsync(60_000);
    expect(signers).toHaveLength(1);
  });
});

describe('a real thread', () => {
  const now = Date.UTC(2030, 0, 1);
  const validity = { notBeforeMs: now, notAfterMs: now + 86_400_000 };
  function realIssuer(): Issuer {
    const pair = generateKeyPair();
    const certificate = selfSignedRoot(pair, { trustDomain: 'example.org', validity, serial: randomSerial() });
    return { certificate, key: pair.privateKey };
  }

  it('is killed while it signs, and nobody notices', async () => {
    const clock = createFakeClock();
    const by = realIssuer();
    const started: Signer[] = [];
    const pool = createPool(
      clock,
      (name, onAnswers) => {
        const signer = startSigner(name, onAnswers);
        started.push(signer);
        return signer;
      },
      1,
      1_000,
    );
    const all = names('web', 200).map((name) => {
      const spiffeId = `spiffe://example.org/svc/${name}`;
      return pool.sign('routine', () => ({ issuer: by, order: { kind: 'leaf', spiffeId, validity } }));
    });
    await clock.settle();
    started[0]?.kill();
    await started[0]?.ended;
    await clock.advanceAsync(1_000);
    const done = await Promise.all(all);
    expect(started).toHaveLength(2);
    expect(new Set(done.map(({ serial }) => serial)).size).toBe(200);
    done.forEach(({ certificate }, index) => {
      const leaf = new X509Certificate(certificate);
      expect(leaf.subjectAltName).toBe(`URI:spiffe://example.org/svc/web${index}`);
      expect(leaf.verify(new X509Certificate(by.certificate).publicKey)).toBe(true);
    });
  });

  it('answers what it cannot sign with the reason, and goes on', async () => {
    const pool = createPool(createFakeClock(), startSigner, 1, 10);
    const by = realIssuer();
    const certify = (publicKey: Uint8Array) =>
      pool.sign('routine', () => ({
        issuer: by,
        order: { kind: 'certify', spiffeId: 'spiffe://example.org/svc/web', publicKey, validity },
      }));
    const [bad, good] = await Promise.allSettled([certify(new Uint8Array(91)), certify(generateKeyPair().publicKey)]);
    expect(bad).toMatchObject({ status: 'rejected', reason: { code: 'CH1810' } });
    expect(good).toMatchObject({ status: 'fulfilled', value: { key: new Uint8Array(0) } });
  });
});

describe('a thread that hangs', () => {
  it('is replaced, what it had is signed by the next one, and what it says later is not heard', async () => {
    const { clock, signers, asked, sign } = simulated();
    const all = ['a', 'b'].map((name) => sign(name));
    await clock.settle();
    await clock.advanceAsync(29_000);
    expect([signers.length, signers[0]?.killed]).toEqual([1, false]);
    await clock.advanceAsync(2_000);
    expect([signers.length, signers[0]?.killed]).toEqual([2, true]);
    signers[0]?.answer();
    expect(asked()).toEqual(['a']);
    signers[1]?.answer();
    await clock.settle();
    signers[1]?.answer();
    await expect(Promise.all(all)).resolves.toHaveLength(2);
  });

  it('is one that answers nothing: one that is slow goes on, and one that is idle is left alone', async () => {
    const { clock, signers, sign } = simulated();
    const all = names('a', 32).map((name) => sign(name));
    await clock.settle();
    await clock.advanceAsync(20_000);
    signers[0]?.answer();
    await clock.advanceAsync(20_000);
    signers[0]?.answer();
    await Promise.all(all);
    await clock.advanceAsync(600_000);
    expect([signers.length, signers[0]?.killed]).toEqual([1, false]);
  });
});
