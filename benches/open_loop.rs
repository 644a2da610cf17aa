//! What the open loop costs and how punctual it is: 5,000 operations a second for 10 s against a target that answers at
//! once, with the history on.

mod target;

use std::time::Duration;

use procfs::process::Process;
use serde_json::json;

fn main() {
    target::serve_if_target();
    let (target, _) = target::TargetProcess::start();
    let before = cpu();
    let load = json!({"rate": 5000.0, "duration": "10s", "warm_up": "0s", "keys": {"product": {"count": 50}}});
    let (figures, measured) = std::sync::mpsc::channel();
    let left = target::run(&target, &load, move |begins| {
        // Taken before the history is read back, which is the bench's doing and not the load's.
        let end = begins + Duration::from_millis(10_200);
        std::thread::sleep(end.saturating_duration_since(std::time::Instant::now()));
        figures.send((cpu().saturating_sub(before), peak_memory())).expect("somebody waits");
    });
    let (cpu, peak) = measured.recv().expect("the thread has ended in order");
    let punctuality = &left.summary.punctuality;
    let offered = punctuality.offered.expect("an open loop");
    let error = (left.responses.len() as f64 / 50_000.0 - 1.0) * 100.0;
    println!("open loop, 5,000 operations a second for 10 s, history on");
    println!("{:<34}{} offered, {} completed", "operations", offered, left.responses.len());
    println!("{:<34}{error:+.3} %", "error of the rate");
    println!("{:<34}{:?} / {:?} / {:?}", "lateness p50 / p99 / max", punctuality.p50, punctuality.p99, punctuality.max);
    println!("{:<34}{:.1} µs", "CPU per operation", cpu.as_secs_f64() * 1e6 / left.responses.len() as f64);
    println!("{:<34}{:.1} MB", "peak memory", peak as f64 / 1e6);
    if let Some(shortfall) = punctuality.shortfall() {
        println!("the generator did not keep up: {shortfall}");
    }
}

/// User and system time of this process so far.
fn cpu() -> Duration {
    let stat = Process::myself().and_then(|process| process.stat()).expect("Linux tells");
    Duration::from_secs_f64((stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64)
}

/// The most memory this process ever held, in bytes.
fn peak_memory() -> u64 {
    let status = Process::myself().and_then(|process| process.status()).expect("Linux tells");
    status.vmhwm.expect("Linux tells") * 1024
}
