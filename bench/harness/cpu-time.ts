import { readFileSync, readdirSync } from 'node:fs';

/** Clock ticks a second in /proc: 100 on every Linux that there is. */
const TICKS_PER_S = 100;

/** CPU time that a process group has used so far, in ms; undefined where there is no /proc to ask. */
export function cpuTimeMs(group: number): number | undefined {
  try {
    let ticks = 0;
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) ticks += ticksOf(pid, group);
    return (ticks / TICKS_PER_S) * 1_000;
  } catch {
    return undefined;
  }
}

function ticksOf(pid: string, group: number): number {
  try {
    // After the name, which may have anything in it: state, ppid, pgrp … and as 12th and 13th utime and stime (proc(5)).
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
    return Number(fields[2]) === group ? Number(fields[11]) + Number(fields[12]) : 0;
  } catch {
    // It has ended since it was listed.
    return 0;
  }
}
