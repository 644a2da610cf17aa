//! CPU and memory by process and role, over the measured load.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use super::compute::seconds;
use super::measurement::ProcessUse;
use super::quantile::rounded;
use super::tally::Tally;
use super::timeline::since;
use crate::history::entry::ProcessStep;
use crate::scenario::resolved::Resolved;

/// The name under which the services' sum stands.
pub const SERVICES: &str = "services together";

/// Every process that was sampled during the load: services first, in the manifest's order, then the rest.
pub(super) fn processes(tally: &Tally, resolved: &Resolved) -> Vec<ProcessUse> {
    let completed = tally.measured().filter(|operation| operation.end.is_some()).count().max(1) as f64;
    let duration = seconds(tally.load_end() - tally.load_start());
    let instances = resolved.instances();
    let mut found: Vec<ProcessUse> = usage(tally)
        .into_iter()
        .map(|(process, (cpu_ms, peak))| {
            let service = instances.iter().find(|instance| instance.name == process);
            let count =
                |step| tally.processes.iter().filter(|event| event.process == process && event.event == step).count();
            ProcessUse {
                role: service.map_or_else(|| process.clone(), |instance| instance.role.clone()),
                is_service: service.is_some(),
                cpu_ms,
                cpu_percent: if duration > 0.0 { rounded(cpu_ms as f64 / 10.0 / duration) } else { 0.0 },
                cpu_us_per_operation: rounded(cpu_ms as f64 * 1e3 / completed),
                memory_peak_mib: rounded(peak as f64 / f64::from(1 << 20)),
                killed: count(ProcessStep::Killed) as u64,
                exited: count(ProcessStep::Exited) as u64,
                process,
            }
        })
        .collect();
    let place = |name: &str| instances.iter().position(|instance| instance.name == name).unwrap_or(usize::MAX);
    found.sort_by_key(|process| place(&process.process));
    found
}

/// CPU milliseconds and the largest memory of each process, from the last sample before the load to the first after.
fn usage(tally: &Tally) -> BTreeMap<String, (u64, u64)> {
    let (start, end) = (tally.load_start(), tally.load_end());
    let first = tally.samples.iter().rposition(|sample| sample.at <= start).unwrap_or(0);
    let last = tally.samples.iter().position(|sample| sample.at >= end).map_or(tally.samples.len(), |last| last + 1);
    let samples = tally.samples.get(first..last).unwrap_or_default();
    let mut usage = BTreeMap::<String, (u64, u64)>::new();
    for (position, sample) in samples.iter().enumerate() {
        for (name, process) in &sample.processes {
            let used = usage.entry(name.clone()).or_default();
            used.1 = used.1.max(process.rss);
            // The first sample is where counting starts; a process that appears later started with a counter of zero.
            if position > 0 {
                let then = samples[position - 1].processes.get(name).map_or(0, |then| then.cpu_ms);
                used.0 += since(process.cpu_ms, then);
            }
        }
    }
    usage
}

/// Microseconds of CPU for each completed operation: by role, and the services together.
pub(super) fn cpu_by_role(processes: &[ProcessUse]) -> IndexMap<String, f64> {
    let mut roles = IndexMap::<String, f64>::new();
    let mut services = 0.0;
    for process in processes {
        *roles.entry(process.role.clone()).or_default() += process.cpu_us_per_operation;
        services += if process.is_service { process.cpu_us_per_operation } else { 0.0 };
    }
    if processes.iter().any(|process| process.is_service) {
        roles.shift_insert(0, SERVICES.to_owned(), services);
    }
    roles.values_mut().for_each(|value| *value = rounded(*value));
    roles
}
