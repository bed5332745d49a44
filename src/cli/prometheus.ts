// Asks the one Prometheus that the user named, by its HTTP API (/api/v1/query), for instant vectors.
// It must not know what is asked. Invariant: an answer is whole or an error (CH1861, CH1862); nobody else is asked, so no
// redirect is followed, and nothing of a user's secrets is sent.
import { AppError } from '../util/errors.ts';
import type { Io } from './io.ts';
import { plainText } from './plain-text.ts';

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface PrometheusClient {
  /** Rejects with CH1861 where nobody answers in time, CH1862 where the answer is none. */
  query(promql: string): Promise<readonly Sample[]>;
}

const limitMs = 10_000;

/** The address as typed, `http://` where no scheme is said; CH1601 for what is none. */
export function prometheusUrl(text: string): string {
  const given = text.includes('://') ? text : `http://${text}`;
  const url = URL.canParse(given) ? new URL(given) : undefined;
  const fine = url !== undefined && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === '';
  // It may carry a password, and is not said again.
  if (!fine || url.username !== '' || url.password !== '')
    throw new AppError('CH1601', 'the address of Prometheus is no URL such as http://prometheus:9090', {
      hint: 'It carries no user, password or query; where one is needed, ask through a proxy on this machine.',
    });
  return url.href.replace(/\/+$/, '');
}

export function createPrometheusClient({ fetch, clock, signal }: Pick<Io, 'fetch' | 'clock' | 'signal'>, url: string) {
  async function answer(promql: string): Promise<{ readonly status: number; readonly text: string }> {
    const late = new AbortController();
    const timer = clock.after(limitMs, () => late.abort(new Error(`no answer within ${limitMs / 1000} s`)));
    try {
      const response = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(promql)}`, {
        ...{ redirect: 'error', signal: AbortSignal.any([signal, late.signal]) },
      });
      return { status: response.status, text: await response.text() };
    } catch (cause) {
      throw new AppError('CH1861', `no answer from ${url}`, { cause, retryable: true });
    } finally {
      timer.cancel();
    }
  }

  function unusable(why: string): AppError {
    return new AppError('CH1862', `${url}: ${plainText(why).slice(0, 300)}`);
  }

  const client: PrometheusClient = {
    async query(promql) {
      const { status, text } = await answer(promql);
      const body = fieldsOf(parsed(text));
      if (body['status'] === 'error') throw unusable(String(body['error']));
      if (body['status'] !== 'success') throw unusable(`it answered ${status}, and not as Prometheus does`);
      const { warnings = [] } = body;
      // Of several stores behind one door, some did not answer.
      if (!Array.isArray(warnings) || warnings.length > 0)
        throw unusable(`the answer may lack a part: ${JSON.stringify(warnings)}`);
      const { resultType, result } = fieldsOf(body['data']);
      if (resultType !== 'vector' || !Array.isArray(result)) throw unusable('the answer is no vector');
      return result.map((one: unknown) => {
        const sample = sampleOf(one);
        if (sample === undefined) throw unusable(`${JSON.stringify(one)} is no count`);
        return sample;
      });
    },
  };
  return client;
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

/** `{"metric": {...}, "value": [time, "1"]}`; undefined for anything else, and for what is no number. */
function sampleOf(one: unknown): Sample | undefined {
  const { metric, value } = fieldsOf(one);
  const number: unknown = Array.isArray(value) ? value[1] : undefined;
  if (typeof number !== 'string' || number === '' || !Number.isFinite(Number(number))) return undefined;
  const labels: Record<string, string> = {};
  for (const [name, text] of Object.entries(fieldsOf(metric))) labels[name] = String(text);
  return { labels, value: Number(number) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
