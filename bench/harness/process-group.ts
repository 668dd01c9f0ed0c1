import { readFileSync, readdirSync } from 'node:fs';

/** Clock ticks a second in /proc: 100 on every Linux that there is. */
const TICKS_PER_S = 100;

/** CPU time that a process group has used so far, in ms; undefined where there is no /proc to ask. */
export function cpuTimeMs(group: number): number | undefined {
  return summed(group, ({ cpuTicks }) => (cpuTicks / TICKS_PER_S) * 1_000);
}

/** Memory in which the runtimes (workerd) of a process group reside, in bytes; undefined where there is no /proc to ask. */
export function residentBytes(group: number): number | undefined {
  return summed(group, ({ pid, name }) => {
    if (name !== 'workerd') return 0;
    // `stat` and `status` have it as well, but only about (proc(5)).
    const [, kiB] = /^Rss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')) ?? [];
    return Number(kiB) * 1_024;
  });
}

interface Process {
  readonly pid: string;
  readonly name: string;
  readonly cpuTicks: number;
}

function summed(group: number, figure: (process: Process) => number): number | undefined {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .reduce((sum, pid) => sum + ofProcess(pid, group, figure), 0);
  } catch {
    return undefined;
  }
}

function ofProcess(pid: string, group: number, figure: (process: Process) => number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // After the name, which may have anything in it: state, ppid, pgrp … and as 12th and 13th utime and stime (proc(5)).
    const fields = stat.split(') ').at(-1)?.split(' ') ?? [];
    if (Number(fields[2]) !== group) return 0;
    const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(') '));
    return figure({ pid, name, cpuTicks: Number(fields[11]) + Number(fields[12]) });
  } catch {
    // It has ended since it was listed.
    return 0;
  }
}
