// One client that polls: its view, and what it was last answered to each of its questions (a type and names). To control it
// is a stream that opens with the first poll and closes when the polls stop.
// It must not know HTTP or JSON. Invariants: a poll that knows the current version is answered when that changes, or not at
// all; content a client does not take is offered again at most every `offerAgainMs`.
import type { Resource, View } from '../../resources/resource.ts';
import { type TypeUrl, typeUrls } from '../../resources/type-urls.ts';
import type { Clock } from '../../util/clock.ts';
import type { ClientConfig, ClientInfo, ResourceConfig, ViewSubscription, XdsEvent } from '../contract.ts';
import { setVersion } from '../full-set.ts';
import { emptyAssignment } from '../responses.ts';
import { shown, type WithoutSecrets, withoutKeys } from '../secrets.ts';
import type { RestRequest } from './rest-request.ts';

export interface PollClientDeps {
  readonly clock: Clock;
  readonly onEvent: (event: XdsEvent) => void;
  /** How long a client, or one of its questions, may be silent before it is forgotten. */
  readonly silentMs: number;
  /** Characters of names that the questions of all clients may still take. */
  readonly room: { left: number };
  /** Where callers are asked who they are: secrets are never written as JSON. */
  readonly withoutSecrets: WithoutSecrets | undefined;
  readonly onGone: () => void;
}

export interface PollAnswer {
  readonly version: string;
  readonly resources: readonly Resource[];
}

export interface PollClient {
  readonly client: ClientInfo;
  /** The answer that is due now; undefined where there is none yet. `too-many`: it asks more than is kept account of. */
  poll(type: TypeUrl, request: RestRequest): PollAnswer | 'too-many' | undefined;
  /** Calls `wake` when the question may have another answer; returns the way to stop waiting. */
  wait(type: TypeUrl, request: RestRequest, wake: () => void): () => void;
  /** The view changed in resources of this type: in these names, or in any. */
  changed(type: TypeUrl, names?: ReadonlySet<string>): void;
  /** The answer of `bytes` went out. */
  sent(type: TypeUrl, request: RestRequest, answer: PollAnswer & { readonly bytes: number }): void;
  /** What it asks for, and how far it is with it. */
  describe(): ClientConfig;
  close(reason: string): void;
}

interface Question {
  readonly type: TypeUrl;
  readonly names: readonly string[];
  /** One for all answers to it: a later one takes the place of an earlier. */
  readonly nonce: string;
  readonly waiters: Set<() => void>;
  /** Monotonic milliseconds. */
  polledMs: number;
  sentMs: number;
  answer: PollAnswer | undefined;
  /** Times the answer was given. */
  offers: number;
  /** The answer was taken or refused. */
  settled: boolean;
  /** name -> version of the answer it took last. */
  held: ReadonlyMap<string, string>;
  /** Why it refused the answer, where it did. */
  reason: string | undefined;
  /** The view changed since the last poll. */
  due: boolean;
}

const offerAgainMs = 30_000;
/** Times content is offered before a client that does not take it counts as refusing it. */
const maxOffers = 2;
const maxQuestions = 5_000;
/** Characters of all names that one client's questions take. */
const maxNameCharacters = 8 * 1024 * 1024;
const unsaid = 'it goes on polling without having taken it; over REST a client does not say why';

/** Types of which an empty list of names means all. */
const wildcardTypes: ReadonlySet<TypeUrl> = new Set([typeUrls.cluster, typeUrls.listener, typeUrls.scopedRoutes]);

export function createPollClient(
  deps: PollClientDeps,
  { client, subscription: from }: { readonly client: ClientInfo; readonly subscription: ViewSubscription },
): PollClient {
  const { clock, onEvent, silentMs } = deps;
  const { streamId } = client;
  const subscription = deps.withoutSecrets?.hide(from) ?? from;
  const questions = new Map<string, Question>();
  const counts = new Map<TypeUrl, { names: number; wildcards: number }>();
  /** Questions whose answer was neither taken nor refused, or may have changed. */
  let unsettled = 0;
  let numbered = 0;
  let nameCharacters = 0;
  let closed = false;
  let timer = clock.after(silentMs, look);
  onEvent({ kind: 'open', client, variant: 'sotw', aggregated: false });

  const keyOf = (type: TypeUrl, { names }: RestRequest): string => [type, ...names].join('\n');

  function ask(type: TypeUrl, request: RestRequest): Question | undefined {
    const key = keyOf(type, request);
    const known = questions.get(key);
    if (known !== undefined) return known;
    if (questions.size >= maxQuestions || nameCharacters + key.length > maxNameCharacters) return undefined;
    if (key.length > deps.room.left) return undefined;
    count(key.length);
    const question: Question = {
      ...{ type, names: [...request.names].sort(), nonce: `poll-${++numbered}`, waiters: new Set() },
      ...{ polledMs: 0, sentMs: 0, answer: undefined, offers: 0, settled: true, due: false },
      ...{ held: new Map(), reason: undefined },
    };
    questions.set(key, question);
    tellSubscribed(question, 1);
    return question;
  }

  function count(characters: number): void {
    nameCharacters += characters;
    deps.room.left -= characters;
  }

  function tellSubscribed(question: Question, sign: 1 | -1): void {
    const { type, names } = question;
    const all = counts.get(type) ?? { names: 0, wildcards: 0 };
    all.names += sign * names.length;
    all.wildcards += asksAll(question) ? sign : 0;
    counts.set(type, all);
    onEvent({ kind: 'subscribe', streamId, type, names: all.names, wildcard: all.wildcards > 0 });
  }

  function mark(question: Question, { settled = question.settled, due = question.due }: Partial<Question>): void {
    unsettled -= !question.settled || question.due ? 1 : 0;
    unsettled += !settled || due ? 1 : 0;
    question.settled = settled;
    question.due = due;
  }

  /** Forgets questions that are not asked any more, and then the client. */
  function look(): void {
    for (const [key, question] of questions) {
      if (question.waiters.size > 0 || clock.now() - question.polledMs < silentMs) continue;
      questions.delete(key);
      count(-key.length);
      // Nothing of it is waited for any longer.
      if (!question.settled) onEvent({ kind: 'ack', streamId, type: question.type, nonce: question.nonce });
      mark(question, { settled: true, due: false });
      tellSubscribed(question, -1);
    }
    if (questions.size === 0) {
      close(`no poll within ${silentMs} ms`);
      return;
    }
    tellIdle();
    timer = clock.after(silentMs, look);
  }

  function tellIdle(): void {
    if (unsettled === 0) onEvent({ kind: 'idle', streamId });
  }

  function close(reason: string): void {
    if (closed) return;
    closed = true;
    count(-nameCharacters);
    timer.cancel();
    subscription.close();
    onEvent({ kind: 'close', streamId, reason });
    deps.onGone();
  }

  /** What the poll says of the last answer. */
  function settle(question: Question, { versionInfo, error }: RestRequest): void {
    const { answer, type, nonce } = question;
    if (answer === undefined || question.settled) return;
    const resources = versionsOf(answer);
    if (error === undefined && versionInfo === answer.version) {
      onEvent({ kind: 'ack', streamId, type, nonce });
      question.held = resources;
    } else if (error !== undefined || question.offers >= maxOffers) {
      question.reason = (type === typeUrls.secret ? withoutKeys(error ?? '') : error) || unsaid;
      onEvent({ kind: 'nack', streamId, type, nonce, message: question.reason, resources });
      question.offers = maxOffers;
    } else return;
    mark(question, { settled: true });
  }

  function current(question: Question): readonly Resource[] {
    const { type, names } = question;
    const view = subscription.view();
    return (asksAll(question) ? [...view.names(type)].sort() : names).flatMap((name) => {
      // A cluster whose endpoints are never answered never warms (R40).
      const resource = view.get(type, name) ?? (type === typeUrls.endpoints ? emptyAssignment(name) : undefined);
      return resource === undefined ? [] : [resource];
    });
  }

  /** True where the client has refused this version, and it is too soon to ask it again. */
  function refused({ answer, settled, offers, sentMs }: Question, version: string): boolean {
    return answer?.version === version && settled && offers >= maxOffers && clock.now() - sentMs < offerAgainMs;
  }

  return {
    client,
    poll(type, request) {
      deps.withoutSecrets?.asked(type);
      const question = ask(type, request);
      if (question === undefined) return 'too-many';
      question.polledMs = clock.now();
      settle(question, request);
      mark(question, { due: false });
      const resources = current(question);
      const version = setVersion(resources);
      const nothing = resources.length === 0 && !asksAll(question);
      // What it has already is sent once more where it takes the place of what was refused: nothing else says that it stands.
      const taken = version === request.versionInfo && question.reason === undefined;
      // Whoever begins anew (no version) has nothing, and refused nothing.
      const held = taken || (request.versionInfo !== '' && refused(question, version));
      // Names that nobody has are answered when somebody has them (R26).
      if (!nothing && !held) return { version, resources };
      tellIdle();
      return undefined;
    },
    wait(type, request, wake) {
      const waiters = questions.get(keyOf(type, request))?.waiters;
      waiters?.add(wake);
      return () => waiters?.delete(wake);
    },
    changed(type, names) {
      const touched = [...questions.values()].filter(
        (one) => one.type === type && (names === undefined || one.names.some((name) => names.has(name))),
      );
      if (touched.length === 0) return;
      for (const question of touched) mark(question, { due: true });
      onEvent({ kind: 'due', streamId });
      for (const { waiters } of touched) for (const wake of [...waiters]) wake();
    },
    sent(type, request, { version, resources, bytes }) {
      const question = questions.get(keyOf(type, request));
      if (question === undefined || closed) return;
      question.offers = question.answer?.version === version ? question.offers + 1 : 1;
      question.answer = { version, resources };
      question.reason = undefined;
      question.sentMs = clock.now();
      mark(question, { settled: false });
      const versions = versionsOf(question.answer);
      onEvent({ kind: 'sent', streamId, type, nonce: question.nonce, resources: versions, removed: [], bytes });
    },
    describe: () => ({
      ...{ client, variant: 'sotw', aggregated: false },
      resources: [...questions.values()].flatMap((question) => describeQuestion(question, subscription.view())),
    }),
    close,
  };
}

function versionsOf({ resources }: PollAnswer): ReadonlyMap<string, string> {
  return new Map(resources.map(({ name, version }) => [name, version]));
}

function describeQuestion(question: Question, view: View): ResourceConfig[] {
  const { type, names, answer, settled, held, reason } = question;
  const sent = answer === undefined ? new Map<string, string>() : versionsOf(answer);
  return (asksAll(question) ? [...view.names(type)].sort() : names).map((name) => {
    const resource = view.get(type, name);
    const told = { type, name, resource: shown(resource), held: held.get(name) ?? '' };
    if (resource === undefined) return { ...told, status: 'not-sent' };
    if (resource.version === told.held) return { ...told, status: 'synced' };
    if (resource.version !== sent.get(name)) return { ...told, status: 'not-sent' };
    if (reason !== undefined) return { ...told, status: 'error', reason };
    return { ...told, status: settled ? 'synced' : 'stale' };
  });
}

function asksAll({ type, names }: Question): boolean {
  return names.length === 0 && wildcardTypes.has(type);
}
