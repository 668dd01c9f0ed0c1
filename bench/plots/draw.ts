/**
 * Draws the figures of docs/performance.md from results, as SVG: `npm --prefix bench run plots -- <result.json>`. Latency over load from
 * the open loop, cost over size from the reads.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { View, parse } from 'vega';
import { type TopLevelSpec, compile } from 'vega-lite';

import type { Finding } from '../workloads/finding.ts';

const DOCS = join(import.meta.dirname, '../../docs/performance');

interface Point {
  readonly x: number;
  readonly y: number;
  readonly series: string;
}

async function draw(
  name: string,
  title: string,
  x: string,
  y: string,
  points: readonly Point[],
  isLog: boolean,
): Promise<void> {
  const scale = isLog ? { type: 'log' as const } : { zero: true };
  const spec: TopLevelSpec = {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    title,
    width: 520,
    height: 280,
    background: 'white',
    data: { values: [...points] },
    mark: { type: 'line', point: true },
    encoding: {
      x: { field: 'x', type: 'quantitative', title: x, scale },
      y: { field: 'y', type: 'quantitative', title: y, scale },
      color: { field: 'series', type: 'nominal', title: null },
    },
  };
  const view = new View(parse(compile(spec).spec), { renderer: 'none' });
  writeFileSync(join(DOCS, `${name}.svg`), `${await view.toSVG()}\n`);
}

const file = process.argv[2];
if (file === undefined) throw new Error('Which result? For example: npm --prefix bench run plots -- results/….json');
const { findings } = JSON.parse(readFileSync(file, 'utf8')) as { findings: readonly Finding[] };

const latency = findings.flatMap(({ what, ours, theirs }): readonly Point[] => {
  const [, percentile, load] = /^command (p50|p99) at (\d+) % load/.exec(what) ?? [];
  if (percentile === undefined) return [];
  return [
    { x: Number(load), y: ours, series: `Tidemark ${percentile}` },
    { x: Number(load), y: theirs, series: `CRUD ${percentile}` },
  ];
});
const size = findings.flatMap(({ what, against, ours, theirs }): readonly Point[] => {
  const [, report, orders] = /^(dashboard|analytics by day), of (\d+) orders/.exec(what) ?? [];
  if (report === undefined || against !== 'CRUD') return [];
  return [
    { x: Number(orders), y: 1_000 / ours, series: `Tidemark, ${report}` },
    { x: Number(orders), y: 1_000 / theirs, series: `CRUD, ${report}` },
  ];
});
if (latency.length > 0)
  await draw(
    'latency-over-load',
    'Latency of a command over load',
    "share of CRUD's saturation, %",
    'ms',
    latency,
    false,
  );
if (size.length > 0) await draw('cost-over-size', 'Server time of a report over its size', 'orders', 'ms', size, true);
