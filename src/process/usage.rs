//! What process groups use, read from procfs: a service may fork, so a process alone would tell too little.

use std::collections::BTreeMap;

use crate::history::entry::ProcessSample;

/// CPU time and resident memory of the group of `pid`; `None` once it has no live process.
///
/// Looks at every process of the machine; to sample several groups, ask [`by_group`] once.
pub fn usage(pid: u32) -> Option<ProcessSample> {
    by_group().remove(&pid)
}

/// The same for every process group of the machine, by group id.
///
/// A process that has ended takes its CPU time along, so a group's counter may sink when a child of it ends.
pub fn by_group() -> BTreeMap<u32, ProcessSample> {
    let mut groups: BTreeMap<u32, ProcessSample> = BTreeMap::new();
    let Ok(processes) = procfs::process::all_processes() else { return groups };
    let tick_ms = 1000 / procfs::ticks_per_second().max(1);
    let page = procfs::page_size();
    // A process may end between the listing and the reading: then it is simply no longer there.
    for stat in processes.flatten().filter_map(|process| process.stat().ok()) {
        if matches!(stat.state, 'Z' | 'X') {
            continue;
        }
        let Ok(group) = u32::try_from(stat.pgrp) else { continue };
        let sample = groups.entry(group).or_default();
        sample.cpu_ms += (stat.utime + stat.stime) * tick_ms;
        sample.rss += stat.rss * page;
    }
    groups
}

/// What this process itself has used.
pub fn own() -> Option<ProcessSample> {
    let stat = procfs::process::Process::myself().and_then(|process| process.stat()).ok()?;
    let cpu_ms = (stat.utime + stat.stime) * (1000 / procfs::ticks_per_second().max(1));
    Some(ProcessSample { cpu_ms, rss: stat.rss * procfs::page_size() })
}
