/**
 * Draws the figures of docs/performance.md from a result, as SVG: `npm --prefix bench run plots -- <result.json> [folder]`. Latency over
 * load from the open loop, cost over size from the reads.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { View, parse } from 'vega';
import { type TopLevelSpec, compile } from 'vega-lite';

import type { Finding } from '../workloads/finding.ts';

const FOLDER = join(import.meta.dirname, '../../docs/performance');

const CONTENDERS = ['Tidemark', 'CRUD'] as const;

/** Of the palette of Okabe and Ito, which those tell apart who do not see all colours. Their shapes differ as well. */
const COLORS = ['#0072b2', '#d55e00'];

interface Point {
  readonly x: number;
  readonly y: number;
  readonly contender: (typeof CONTENDERS)[number];
  readonly panel: string;
}

interface Figure {
  readonly name: string;
  readonly title: string;
  readonly x: string;
  readonly y: string;
  /** Both axes. */
  readonly isLogarithmic: boolean;
  /** Every panel has an axis of its own for what differs too much to share one. */
  readonly sharesY: boolean;
  readonly points: readonly Point[];
}

async function draw(folder: string, figure: Figure): Promise<void> {
  const { name, title, x, y, isLogarithmic, sharesY, points } = figure;
  if (points.length === 0) return;
  const xs = [...new Set(points.map((point) => point.x))].toSorted((a, b) => a - b);
  const powers = powersOfTen(points.map((point) => point.y));
  const axes = isLogarithmic
    ? {
        x: { scale: { type: 'log' as const }, axis: { values: xs, format: ',' } },
        y: {
          scale: { type: 'log' as const, domain: [Math.min(...powers), Math.max(...powers)] },
          axis: { values: powers, format: ',' },
        },
      }
    : { x: { scale: { domain: [0, 100] } }, y: { scale: { zero: true }, axis: { tickCount: 4 } } };
  const spec: TopLevelSpec = {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    title: { text: title, anchor: 'start', fontSize: 14, offset: 12 },
    // Pages are light or dark; a figure that brings its background is legible in both.
    background: 'white',
    padding: 12,
    data: { values: [...points] },
    facet: {
      field: 'panel',
      type: 'nominal',
      title: null,
      sort: [...new Set(points.map(({ panel }) => panel))],
      header: { labelFontSize: 12, labelFontWeight: 'bold', labelAnchor: 'start' },
    },
    columns: 2,
    spacing: 24,
    spec: {
      width: 260,
      height: 170,
      mark: { type: 'line', point: { size: 45 } },
      encoding: {
        x: { field: 'x', type: 'quantitative', title: x, ...axes.x },
        y: { field: 'y', type: 'quantitative', title: y, ...axes.y },
        color: {
          field: 'contender',
          type: 'nominal',
          title: null,
          scale: { domain: [...CONTENDERS], range: COLORS },
          legend: { orient: 'top', labelFontSize: 12 },
        },
        shape: { field: 'contender', type: 'nominal', title: null, scale: { domain: [...CONTENDERS] } },
      },
    },
    resolve: { scale: { y: sharesY ? 'shared' : 'independent' }, axis: { x: 'independent', y: 'independent' } },
    config: {
      // Labels for each mark would be half of the file.
      aria: false,
      font: 'sans-serif',
      axis: { labelFontSize: 11, titleFontSize: 11, titleFontWeight: 'normal', gridColor: '#e6e6e6' },
    },
  };
  const view = new View(parse(compile(spec).spec), { renderer: 'none' });
  writeFileSync(join(folder, `${name}.svg`), `${await view.toSVG()}\n`);
}

/** Those that all values lie between. */
function powersOfTen(values: readonly number[]): number[] {
  const from = Math.floor(Math.log10(Math.min(...values)));
  const to = Math.ceil(Math.log10(Math.max(...values)));
  return Array.from({ length: to - from + 1 }, (_, step) => 10 ** (from + step));
}

/** Both sides of a finding as points. */
function both(
  x: number,
  panel: string,
  figure: (value: number) => number,
  { ours, theirs }: Finding,
): readonly Point[] {
  return [
    { x, panel, y: figure(ours), contender: 'Tidemark' },
    { x, panel, y: figure(theirs), contender: 'CRUD' },
  ];
}

const [file, folder = FOLDER] = process.argv.slice(2);
if (file === undefined) throw new Error('Which result? For example: npm --prefix bench run plots -- results/….json');
const { findings } = JSON.parse(readFileSync(file, 'utf8')) as { findings: readonly Finding[] };
mkdirSync(folder, { recursive: true });

await draw(folder, {
  name: 'latency-over-load',
  title: 'Latency of a command over load',
  x: 'load, % of what CRUD can take',
  y: 'latency, ms',
  isLogarithmic: false,
  sharesY: false,
  points: findings.flatMap((finding) => {
    const [, percentile, load] = /^command (p50|p99) at (\d+) % load/.exec(finding.what) ?? [];
    return percentile === undefined ? [] : both(Number(load), percentile, (ms) => ms, finding);
  }),
});
await draw(folder, {
  name: 'cost-over-size',
  title: 'Server time of a read over the number of orders',
  x: 'orders',
  y: 'ms a request',
  isLogarithmic: true,
  sharesY: true,
  points: findings.flatMap((finding) => {
    const [, read, orders] = /^(.+), of (\d+) orders$/.exec(finding.what) ?? [];
    if (read === undefined || finding.unit !== '/s' || finding.against !== 'CRUD') return [];
    return both(Number(orders), read, (perSecond) => 1_000 / perSecond, finding);
  }),
});
