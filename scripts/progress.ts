import cliProgress from 'cli-progress';

/** The interval between two lines without a terminal, in ms. */
const LINE_EVERY_MS = 3_000;

type Figures = Readonly<Record<string, string | number>>;

export interface Progress {
  start(total: number, figures?: Figures): void;
  update(value: number, figures?: Figures): void;
  /** May be called before `start`, and more than once. */
  stop(): void;
}

/**
 * Shows progress: a bar on a terminal, a line every few seconds elsewhere. `text` names figures in braces. Beside the given figures there are
 * `{value}`, `{total}` and, unless given, `{left}`: the remaining time at the average rate so far.
 */
export function showProgress(text: string): Progress {
  const show = process.stdout.isTTY ? bar(text) : lines(text);
  let total = 0;
  let startedAt = 0;
  return {
    start(newTotal, figures = {}) {
      [total, startedAt] = [newTotal, performance.now()];
      show.start(total, { left: '–', ...figures });
    },
    update(value, figures = {}) {
      const leftMs = ((performance.now() - startedAt) * Math.max(total - value, 0)) / value;
      show.update(value, { left: duration(leftMs), ...figures });
    },
    stop: () => show.stop(),
  };
}

/** Formats a duration for people: `45 s`, `3 min`. */
export function duration(ms: number): string {
  if (!Number.isFinite(ms)) return '–';
  return ms < 120_000 ? `${Math.ceil(ms / 1_000)} s` : `${Math.round(ms / 60_000)} min`;
}

interface Shown {
  start(total: number, figures: Figures): void;
  update(value: number, figures: Figures): void;
  stop(): void;
}

function bar(text: string): Shown {
  const shown = new cliProgress.SingleBar(
    { format: `{bar} {percentage}%  ${text}`, stream: process.stdout, hideCursor: true, gracefulExit: false },
    cliProgress.Presets.shades_classic,
  );
  let isStarted = false;
  return {
    start(total, figures) {
      isStarted = true;
      shown.start(total, 0, figures);
    },
    update: (value, figures) => shown.update(value, figures),
    stop() {
      if (isStarted) shown.stop();
      isStarted = false;
    },
  };
}

function lines(text: string): Shown {
  let timer: NodeJS.Timeout | undefined;
  let known: Figures = {};
  return {
    start(total, figures) {
      known = { ...figures, value: 0, total };
      timer = setInterval(() => {
        console.log(text.replaceAll(/\{(\w+)\}/g, (_, name: string) => String(known[name] ?? '')));
      }, LINE_EVERY_MS);
    },
    update(value, figures) {
      known = { ...known, ...figures, value };
    },
    stop: () => clearInterval(timer),
  };
}
