//! Whether latencies are honest: a target is stopped (SIGSTOP) for 1 s of a 10 s run at 1,000 operations a second.
//!
//! A tenth of the operations fall due while it is stopped, and wait between 1 s and nothing: p95 must be about 500 ms,
//! p99 about 900 ms. A tool that counts from when it got round to sending prints a few milliseconds here.

mod target;

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

fn main() {
    target::serve_if_target();
    println!("{:<24}{:>10}{:>10}{:>10}{:>10}{:>12}", "honest latency (ms)", "p50", "p95", "p99", "p99.9", "operations");
    measure("no limit", &json!({}));
    measure("50 workers", &json!({"workers": 50}));
}

fn measure(name: &str, more: &Value) {
    let (target, id) = target::TargetProcess::start();
    let mut load = json!({"rate": 1000.0, "duration": "10s", "warm_up": "0s", "keys": {"product": {"count": 50}}});
    load.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    let process = Pid::from_raw(i32::try_from(id).expect("a process id"));
    let left = target::run(&target, &load, move |begins| {
        std::thread::sleep((begins + Duration::from_secs(4)).saturating_duration_since(Instant::now()));
        kill(process, Signal::SIGSTOP).expect("the target lives");
        std::thread::sleep(Duration::from_secs(1));
        kill(process, Signal::SIGCONT).expect("the target lives");
    });
    let at = |quantile: f64| {
        let index = (left.responses.len() as f64 * quantile) as usize;
        left.responses[index.min(left.responses.len() - 1)] as f64 / 1e6
    };
    println!(
        "{name:<24}{:>10.1}{:>10.1}{:>10.1}{:>10.1}{:>12}",
        at(0.5),
        at(0.95),
        at(0.99),
        at(0.999),
        left.responses.len()
    );
    if let Some(shortfall) = left.summary.punctuality.shortfall() {
        println!("{:<24}the generator did not keep up: {shortfall}", "");
    }
}
