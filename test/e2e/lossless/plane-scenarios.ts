// What happens to the control plane itself: killed, stopped, replaced by another replica, with and without a change that
// the proxies only learn of afterwards.
import { only, type Sides, twoSides } from './object-scenarios.ts';
import type { Scenario } from './scenario.ts';
import { baseShop, protocols } from './shop.ts';
import { pause, type Stage } from './stage.ts';

async function connected(stage: Stage, wanted: 0 | 1): Promise<void> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const states = await Promise.all(stage.proxies.map(({ envoy }) => envoy.stat('control_plane.connected_state')));
    if (states.every((state) => state === wanted)) return;
    if (performance.now() > deadline) throw new Error(`connected: ${states.join(', ')}, not ${wanted}`);
    await pause(50);
  }
}

const answered = async (stage: Stage, side: 'a' | 'b'): Promise<void> => {
  for (const protocol of protocols) await stage.answeredBy(protocol, [`${protocol.service}-${side}`]);
};

/** `away` happens between two states: routes lead to side a before, and to side b alone when the proxies are back. */
async function changedMeanwhile(stage: Stage, away: (change: () => void) => Promise<void>): Promise<void> {
  const two = await twoSides(stage);
  stage.apply('routes lead to side a', only(two.a));
  await answered(stage, 'a');
  await away(() => stage.apply('to side b, side a removed', only(two.b)));
  await answered(stage, 'b');
  await back(stage, two);
}

async function back(stage: Stage, two: Sides): Promise<void> {
  await stage.clusters({ without: two.a.map(({ name }) => name) });
  stage.apply('back to the base', (shop) => baseShop(shop.listeners[0]?.port ?? 0));
  await stage.clusters({ without: two.b.map(({ name }) => name) });
  for (const protocol of protocols)
    await stage.answeredBy(
      protocol,
      stage.instances(protocol).map(({ name }) => name),
    );
  await two.end();
}

/** Gone for two seconds, so that the proxies have tried in vain to reach it. */
async function gone(stage: Stage, how: 'killed' | 'stopped', meanwhile?: () => void): Promise<void> {
  stage.note(`control plane ${how}`);
  await (how === 'killed' ? stage.product.kill() : stage.product.stop());
  await connected(stage, 0);
  meanwhile?.();
  await pause(2000);
  await stage.product.start();
  stage.note('control plane started');
  await connected(stage, 1);
  stage.note('the proxies are back');
  await stage.synced();
}

/** The proxies are cut from this control plane and find another one in its place; afterwards the same way back. */
async function replaced(stage: Stage, meanwhile?: () => void): Promise<void> {
  const first = stage.product;
  await using second = await stage.replica();
  meanwhile?.();
  stage.product = second;
  stage.note('another replica takes over');
  stage.wire.target(second.xdsPort, { cut: true });
  try {
    await stage.synced();
    stage.note('the proxies have taken what it has');
    await pause(500);
  } finally {
    stage.product = first;
    stage.wire.target(first.xdsPort, { cut: true });
  }
  stage.note('the first one takes over again');
  await stage.synced();
}

export const planeScenarios: readonly Scenario[] = [
  { name: 'control plane killed and restarted', everyVariant: true, run: (stage) => gone(stage, 'killed') },
  {
    name: 'control plane killed, a change before it is back',
    everyVariant: true,
    sotwGap: true,
    run: (stage) => changedMeanwhile(stage, (change) => gone(stage, 'killed', change)),
  },
  { name: 'control plane stopped gracefully and started', run: (stage) => gone(stage, 'stopped') },
  { name: 'control plane replaced by another replica', everyVariant: true, run: (stage) => replaced(stage) },
  {
    name: 'control plane replaced, a change at the same time',
    everyVariant: true,
    sotwGap: true,
    run: (stage) => changedMeanwhile(stage, (change) => replaced(stage, change)),
  },
];
