// What keeps private keys from those who are not to have them: streams that may have none, and what is told of secrets.
// It must not know what a secret holds. Invariant: all of it goes by the type alone, so that no secret is overlooked.
import type { Resource, View } from '../resources/resource.ts';
import { typeUrls } from '../resources/type-urls.ts';
import type { Logger } from '../util/log.ts';
import type { ViewSubscription } from './contract.ts';
import type { Sink } from './sink.ts';

/** A stream, or a client that polls, that may have no secret. */
export interface WithoutSecrets {
  /** The same subscription to views in which there is none. */
  hide(subscription: ViewSubscription): ViewSubscription;
  /** It asks for this type. */
  asked(type: string): void;
}

export interface SecretRule {
  /** Undefined if the stream may have secrets: a key leaves over TLS only, and to somebody. */
  ofStream(sink: Sink): WithoutSecrets | undefined;
  /** Of one that may have none. */
  denied(peer: string): WithoutSecrets;
}

export interface SecretRuleDeps {
  readonly log: Logger;
  /** Called once for each that asks in vain. */
  readonly onDenied: () => void;
}

/** For servers that ask callers who they are. */
export function createSecretRule({ log, onDenied }: SecretRuleDeps): SecretRule {
  /** Streams of one view share one. */
  const made = new WeakMap<View, View>();
  const filtered = (view: View): View => {
    const known = made.get(view);
    if (known !== undefined) return known;
    const own: View = {
      ...(view.onDemand === undefined ? {} : { onDemand: view.onDemand }),
      id: `${view.id} without secrets`,
      get: (type, name) => (type === typeUrls.secret ? undefined : view.get(type, name)),
      names: (type) => (type === typeUrls.secret ? [] : view.names(type)),
    };
    made.set(view, own);
    return own;
  };
  const denied = (peer: string): WithoutSecrets => {
    let told = false;
    return {
      hide: (subscription) => ({ ...subscription, view: () => filtered(subscription.view()) }),
      asked(type) {
        if (told || type !== typeUrls.secret) return;
        told = true;
        onDenied();
        log.warn('secrets were asked for where none are served', { reason: 'sds_denied', peer });
      },
    };
  };
  return {
    denied,
    ofStream: ({ peer, principal }) => (peer.tls && principal !== undefined ? undefined : denied(peer.name)),
  };
}

const noBytes = new Uint8Array(0);

/** As it may be shown: of a secret everything but its content. */
export function shown<T extends Resource | undefined>(resource: T): T | Resource {
  return resource?.type === typeUrls.secret ? { ...resource, bytes: noBytes } : resource;
}

const left = '[left out]';
/** PEM, also where its end is cut off; long quoted texts, as protos are printed; what may be base64 or hexadecimal. */
const keyLike =
  /-----BEGIN [\s\S]*?(?:-----END [A-Z ]*-----|$)|"(?:[^"\\]|\\[\s\S]){48,}(?:"|$)|(?:\\[0-7]{3}){4,}|[A-Za-z0-9+/=_-]{32,}/g;

/** What a client says about a secret it refused, without what may be of a key: an Envoy quotes what it was sent. */
export function withoutKeys(words: string): string {
  return words.replace(keyLike, left);
}
