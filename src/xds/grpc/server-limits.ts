// Limits of a server that hold unless its options say otherwise. Apart from the server, for code that must not load it.
import type { AdmissionOptions } from '../admission.ts';

/** Connections open at one time, over all threads of the process. */
export const defaultMaxConnections = 20_000;
/** Streams of one node. */
export const defaultMaxStreamsPerNode = 1_000;
/** A thousand proxies that come back at once are let in at once, ten thousand within ten seconds. */
export const defaultAdmission: AdmissionOptions = {
  perSecond: 1_000,
  burst: 1_000,
  perTurn: 32,
  maxWaiting: 10_000,
  maxPerAddress: 0,
};
/** Streams of one identity, which a whole service may share: all its instances may come back at once. */
export const defaultOpeningRate = { burst: 1_000, perSecond: 100 };
