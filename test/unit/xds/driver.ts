// Drives one stream's reducer step by step, without I/O: requests in, sent messages out as short lines
// (`CDS a b -c`), timers listed and fired by hand.
// Invariant: nothing is sent that a test does not see.
import type { Resource } from '../../../src/resources/resource.ts';
import { shortNames, type TypeUrl, typeUrls } from '../../../src/resources/type-urls.ts';
import type { ResourceConfig } from '../../../src/xds/contract.ts';
import { describe as describeStream } from '../../../src/xds/description.ts';
import type { DeltaRequest, SotwRequest } from '../../../src/xds/requests.ts';
import { createMessages, type Message, type Messages } from '../../../src/xds/responses.ts';
import { createStream, step } from '../../../src/xds/stream.ts';
import {
  defaultLimits,
  type Effect,
  type Notice,
  type StreamEvent,
  type StreamLimits,
  type TimerKey,
} from '../../../src/xds/stream-state.ts';
import { differences, viewOf } from '../../support/static-views.ts';

export interface DriverOptions {
  readonly variant: 'sotw' | 'delta';
  readonly aggregated?: boolean;
  readonly legacyWildcard?: boolean;
  readonly resourceErrors?: boolean;
  readonly resources?: readonly Resource[];
  readonly messages?: Messages;
  readonly limits?: Partial<StreamLimits>;
}

export interface Driver {
  readonly options: DriverOptions;
  /** A SotW request; the nonce defaults to the last one sent for the type. */
  sotw(type: TypeUrl, names: readonly string[], rest?: Partial<SotwRequest>): string[];
  /** A delta request; the nonce defaults to none. */
  delta(type: TypeUrl, rest?: Partial<DeltaRequest>): string[];
  /** Acknowledges the last message of the type, with the SotW names last requested. */
  ack(type: TypeUrl): string[];
  nack(type: TypeUrl, message?: string): string[];
  publish(resources: readonly Resource[]): string[];
  fire(timer: TimerKey): string[];
  event(event: StreamEvent): string[];
  last(type: TypeUrl): Message;
  /** What the stream says of itself. */
  describe(): readonly ResourceConfig[];
  readonly timers: ReadonlySet<TimerKey>;
  readonly notices: readonly Notice[];
  readonly sent: readonly Message[];
  readonly effects: readonly Effect[];
}

export function line({ type, resources, removed }: Message): string {
  const gone = removed.filter((name) => !resources.has(name)).map((name) => `-${name}`);
  return [shortNames[type], ...resources.keys(), ...gone].join(' ');
}

export function drive(options: DriverOptions): Driver {
  let current = options.resources ?? [];
  const stream = createStream({
    variant: options.variant,
    aggregated: options.aggregated ?? true,
    legacyWildcard: options.legacyWildcard ?? true,
    resourceErrors: options.resourceErrors ?? false,
    view: viewOf(current),
    messages: options.messages ?? createMessages('test', 'e'),
    limits: { ...defaultLimits, ...options.limits },
  });
  const timers = new Set<TimerKey>();
  const notices: Notice[] = [];
  const sent: Message[] = [];
  const effects: Effect[] = [];
  const names = new Map<TypeUrl, readonly string[]>();
  const lastOf = new Map<TypeUrl, Message>();

  function event(input: StreamEvent): string[] {
    const lines: string[] = [];
    for (const effect of step(stream, input)) {
      effects.push(effect);
      if (effect.kind === 'send') {
        sent.push(effect.message);
        lastOf.set(effect.message.type, effect.message);
        lines.push(line(effect.message));
      } else if (effect.kind === 'start-timer') timers.add(effect.timer);
      else if (effect.kind === 'stop-timer') timers.delete(effect.timer);
      else if (effect.kind === 'notice') notices.push(effect.notice);
    }
    return lines;
  }
  const last = (type: TypeUrl): Message => {
    const message = lastOf.get(type);
    if (message === undefined) throw new Error(`nothing was sent for ${shortNames[type]}`);
    return message;
  };
  const nonceOf = (type: TypeUrl): string => lastOf.get(type)?.nonce ?? '';
  const driver: Driver = {
    options,
    sotw(typeUrl, list, rest = {}) {
      names.set(typeUrl, list);
      const base = { variant: 'sotw', typeUrl, nonce: nonceOf(typeUrl), error: undefined, node: undefined } as const;
      return event({ kind: 'request', request: { ...base, versionInfo: '', names: list, ...rest } });
    },
    delta(typeUrl, rest = {}) {
      const base = { variant: 'delta', typeUrl, nonce: '', error: undefined, node: undefined } as const;
      const lists = { subscribe: [], unsubscribe: [], versions: new Map<string, string>() };
      return event({ kind: 'request', request: { ...base, ...lists, ...rest } });
    },
    ack: (type) =>
      options.variant === 'sotw'
        ? driver.sotw(type, names.get(type) ?? [])
        : driver.delta(type, { nonce: last(type).nonce }),
    nack(type, message = 'bad') {
      const error = { code: 13, message };
      return options.variant === 'sotw'
        ? driver.sotw(type, names.get(type) ?? [], { error })
        : driver.delta(type, { nonce: last(type).nonce, error });
    },
    publish(resources) {
      const changed = differences(current, resources);
      current = resources;
      event({ kind: 'changed', view: viewOf(resources), changed });
      return event({ kind: 'drain' });
    },
    fire(timer) {
      if (!timers.delete(timer)) throw new Error(`timer ${timer} does not run`);
      return event({ kind: 'timeout', timer });
    },
    event,
    last,
    describe: () => describeStream(stream),
    timers,
    notices,
    sent,
    effects,
  };
  return driver;
}

export const { cluster: CDS, endpoints: EDS, listener: LDS, routes: RDS, secret: SDS, extension: ECDS } = typeUrls;
export const { scopedRoutes: SRDS, virtualHost: VHDS, runtime: RTDS } = typeUrls;
