//! The nemesis on a real Toxiproxy and real processes: what it does it takes back, and every step is in the history.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procfs::process::{ProcState, Process};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tornwrite::fault::{
    Cluster, Fault, FaultKind, FaultLog, FaultOutcome, Nemesis, Processes, Schedule, Strikes, Target,
};
use tornwrite::history::entry::{Entry, FORMAT, FaultEvent, FaultStep, Header};
use tornwrite::history::reader::Reader;
use tornwrite::history::recorder::{Clock, Recorder, Writer};
use tornwrite::link::LinkFault;
use tornwrite::link::topology::Topology;
use tornwrite::scenario::reader;
use tornwrite::witness::Role;

use crate::links::stage::{SOON, Stage};

/// A schedule over the built-in workload.
fn schedule(faults: Vec<(Fault, Strikes)>) -> Schedule {
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/dual-write-vs-outbox.toml");
    let resolved = reader::read(&scenario, &[]).expect("the scenario is valid").remove(0);
    Schedule { faults, left_out: 0, topology: Topology::of_variant(&resolved) }
}

/// Long enough that only an early stop ends it.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// Processes that do nothing but live.
#[derive(Default)]
struct Sleepers {
    children: Mutex<BTreeMap<String, Child>>,
}

impl Sleepers {
    fn with(names: &[&str]) -> Arc<Self> {
        let sleepers = Self::default();
        for name in names {
            sleepers.start(name);
        }
        Arc::new(sleepers)
    }

    fn start(&self, name: &str) {
        let child = Command::new("sleep").arg("600").spawn().expect("sleep starts");
        self.children.lock().expect("nothing panics with it").insert(name.to_owned(), child);
    }

    fn pid(&self, name: &str) -> i32 {
        let children = self.children.lock().expect("nothing panics with it");
        i32::try_from(children[name].id()).expect("a process id is an i32")
    }

    /// As the kernel sees it; a killed one was waited for and is gone.
    fn state(&self, name: &str) -> Option<ProcState> {
        Process::new(self.pid(name)).and_then(|process| process.stat()).and_then(|stat| stat.state()).ok()
    }

    fn is_stopped(&self, name: &str) -> bool {
        self.state(name) == Some(ProcState::Stopped)
    }

    /// Signals and waits until the kernel has acted on it.
    async fn signal(&self, name: &str, signal: Signal) -> anyhow::Result<String> {
        kill(Pid::from_raw(self.pid(name)), signal)?;
        let acted = async {
            while self.is_stopped(name) != (signal == Signal::SIGSTOP) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(SOON, acted).await?;
        Ok(signal.to_string())
    }
}

impl Drop for Sleepers {
    fn drop(&mut self) {
        for child in self.children.get_mut().expect("nothing panics with it").values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Processes for Sleepers {
    async fn kill(&self, name: &str) -> anyhow::Result<String> {
        let mut children = self.children.lock().expect("nothing panics with it");
        let child = children.get_mut(name).expect("the test started it");
        child.kill()?;
        Ok(child.wait()?.to_string())
    }

    async fn restart(&self, name: &str) -> anyhow::Result<String> {
        if self.state(name).is_none() {
            self.start(name);
        }
        Ok(format!("pid {}", self.pid(name)))
    }

    async fn pause(&self, name: &str) -> anyhow::Result<String> {
        self.signal(name, Signal::SIGSTOP).await
    }

    async fn resume(&self, name: &str) -> anyhow::Result<String> {
        self.signal(name, Signal::SIGCONT).await
    }
}

/// A replica set in which nothing happens but what a test does.
impl Cluster for Sleepers {
    async fn resolve(&self, role: &Role) -> anyhow::Result<String> {
        match role {
            Role::Leader { topic, partition: 0 } if topic == "purchases" => Ok("kafka".to_owned()),
            nobody => anyhow::bail!("nobody is {nobody}"),
        }
    }

    async fn step_down(&self, _seconds: u32) -> anyhow::Result<String> {
        anyhow::bail!("there is no replica set")
    }

    async fn step_up(&self, _server: &str) -> anyhow::Result<()> {
        anyhow::bail!("there is no replica set")
    }

    async fn replicate_everywhere(&self) -> anyhow::Result<()> {
        anyhow::bail!("there is no replica set")
    }

    async fn roll_oplog(&self) -> anyhow::Result<String> {
        anyhow::bail!("there is no replica set")
    }
}

/// A nemesis with a history of its own.
struct Court {
    stage: Stage,
    sleepers: Arc<Sleepers>,
    nemesis: Nemesis<Sleepers>,
    active: watch::Receiver<Vec<String>>,
    writer: Writer,
    folder: TempDir,
}

impl Court {
    async fn convene() -> Self {
        let (stage, sleepers) = (Stage::set().await, Sleepers::with(&["api-1", "kafka"]));
        let folder = tempfile::tempdir().expect("a folder for the history");
        let (recorder, writer) = Recorder::create(&history(&folder), Clock::start()).expect("a new history");
        recorder.record(Entry::Run(Header {
            format: FORMAT,
            scenario: "test".to_owned(),
            variant: "test".to_owned(),
            seed: 1,
            plan: String::new(),
            started: String::new(),
            database: String::new(),
            topics: BTreeMap::new(),
        }));
        let (nemesis, active) = Nemesis::new(stage.links.clone(), Arc::clone(&sleepers), recorder);
        Self { stage, sleepers, nemesis, active, writer, folder }
    }

    async fn carry_out(&self, faults: Vec<(Fault, Strikes)>) -> FaultLog {
        let run = self.nemesis.run(schedule(faults), Instant::now(), CancellationToken::new());
        timeout(SOON, run).await.expect("the schedule is short")
    }

    /// Carries out and stops once this many faults are in place.
    async fn stop_when(
        &self,
        count: usize,
        faults: Vec<(Fault, Strikes)>,
        stop: impl Fn(&CancellationToken),
    ) -> FaultLog {
        let (token, mut active) = (CancellationToken::new(), self.active.clone());
        let run = self.nemesis.run(schedule(faults), Instant::now(), token.clone());
        let stopped = async {
            active.wait_for(|active| active.len() == count).await.expect("the nemesis lives");
            stop(&token);
        };
        timeout(SOON, async { tokio::join!(run, stopped).0 }).await.expect("it stops soon")
    }

    /// What the history says about faults; nothing is in place any more.
    fn adjourn(self) -> Vec<FaultEvent> {
        assert!(self.active.borrow().is_empty());
        drop(self.nemesis);
        self.writer.finish().expect("the history is written");
        let entries = Reader::open(&history(&self.folder)).expect("a history");
        let faults = entries.map(|entry| entry.expect("an entry").1).filter_map(|entry| match entry {
            Entry::Fault(fault) => Some(fault),
            _ => None,
        });
        faults.collect()
    }
}

fn history(folder: &TempDir) -> PathBuf {
    folder.path().join("history.jsonl")
}

fn cut(id: u32, at: Duration, duration: Duration, stage: &Stage) -> (Fault, Strikes) {
    let target = Target::Link { client: "api".to_owned(), server: "kafka".to_owned() };
    let kind = FaultKind::Link(LinkFault::Partition);
    (Fault { id, at, duration, kind, target }, Strikes::Links(vec![stage.link.clone()]))
}

fn strike(id: u32, kind: FaultKind, name: &str, duration: Duration) -> (Fault, Strikes) {
    let target = Target::Process(name.to_owned());
    (Fault { id, at: Duration::ZERO, duration, kind, target }, Strikes::Processes(vec![name.to_owned()]))
}

fn steps(events: &[FaultEvent], fault: u32) -> Vec<FaultStep> {
    events.iter().filter(|event| event.fault == fault).map(|event| event.step).collect()
}

const WHOLE_LIFE: [FaultStep; 4] = [FaultStep::Asked, FaultStep::Confirmed, FaultStep::Healing, FaultStep::Healed];

#[tokio::test]
async fn faults_that_overlap_are_each_carried_out_and_healed() {
    let court = Court::convene().await;
    let (short, killed) = (Duration::from_millis(150), court.sleepers.pid("kafka"));
    let log = court
        .carry_out(vec![
            cut(0, Duration::from_millis(20), short, &court.stage),
            strike(1, FaultKind::Kill, "kafka", short),
            strike(2, FaultKind::Pause, "api-1", short),
        ])
        .await;
    assert!(log.faults.iter().all(|(_, outcome)| *outcome == FaultOutcome::Healed), "{log:?}");
    assert!(court.stage.works().await);
    assert_ne!(court.sleepers.pid("kafka"), killed);
    assert!(!court.sleepers.is_stopped("api-1"));
    let events = court.adjourn();
    for fault in 0..3 {
        assert_eq!(steps(&events, fault), WHOLE_LIFE, "{events:?}");
    }
    let confirmed = |fault| events.iter().find(|event| event.fault == fault && event.step == FaultStep::Confirmed);
    let kill = confirmed(1).expect("it was confirmed");
    assert_eq!((kill.what.as_str(), &kill.targets[..]), ("kill kafka", &["kafka".to_owned()][..]));
    assert!(kill.detail.as_ref().is_some_and(|detail| detail.contains("connection refused")), "{kill:?}");
    assert_eq!(confirmed(0).expect("it was confirmed").targets, ["api-1 → kafka"]);
}

#[tokio::test]
async fn a_fault_stays_for_its_duration_from_when_it_is_in_place() {
    let court = Court::convene().await;
    let duration = Duration::from_millis(200);
    court.carry_out(vec![cut(0, Duration::ZERO, duration, &court.stage)]).await;
    let events = court.adjourn();
    let at = |step| events.iter().find(|event| event.step == step).expect("every step is there").at;
    assert!(u128::from(at(FaultStep::Healing) - at(FaultStep::Confirmed)) >= duration.as_nanos());
}

#[tokio::test]
async fn a_fault_that_finds_nobody_is_recorded_as_not_applicable() {
    let court = Court::convene().await;
    let (fault, _) = strike(0, FaultKind::Kill, "relay", FOR_EVER);
    let log = court.carry_out(vec![(fault, Strikes::Nobody)]).await;
    assert_eq!(log.faults[0].1, FaultOutcome::NotApplicable);
    assert_eq!(steps(&court.adjourn(), 0), [FaultStep::NotApplicable]);
}

#[tokio::test]
async fn an_early_stop_heals_everything_in_place_and_starts_nothing_more() {
    let court = Court::convene().await;
    let faults = vec![
        cut(0, Duration::ZERO, FOR_EVER, &court.stage),
        strike(1, FaultKind::Kill, "kafka", FOR_EVER),
        strike(2, FaultKind::Pause, "api-1", FOR_EVER),
        cut(3, FOR_EVER, FOR_EVER, &court.stage),
    ];
    let log = court
        .stop_when(3, faults, |stop| {
            assert_eq!(court.sleepers.state("kafka"), None);
            assert!(court.sleepers.is_stopped("api-1"));
            stop.cancel();
        })
        .await;
    let outcomes: Vec<&FaultOutcome> = log.faults.iter().map(|(_, outcome)| outcome).collect();
    let healed = &FaultOutcome::Healed;
    assert_eq!(outcomes, [healed, healed, healed, &FaultOutcome::NotStarted]);
    assert!(court.stage.works().await);
    assert!(court.sleepers.state("kafka").is_some(), "it was started again");
    assert!(!court.sleepers.is_stopped("api-1"));
    let events = court.adjourn();
    assert_eq!(steps(&events, 0), WHOLE_LIFE);
    assert_eq!(steps(&events, 3), []);
    let early = events.iter().filter(|event| event.detail.as_deref() == Some("the run stops early"));
    assert_eq!(early.count(), 3);
}

#[tokio::test]
async fn a_kill_that_waits_for_its_time_is_given_up_when_the_run_stops() {
    let court = Court::convene().await;
    let (before, stop) = (court.sleepers.pid("kafka"), CancellationToken::new());
    let fault = strike(0, FaultKind::KillUnreplicated(FOR_EVER), "kafka", FOR_EVER);
    let run = court.nemesis.run(schedule(vec![fault]), Instant::now(), stop.clone());
    let stopped = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        stop.cancel();
    };
    let (log, ()) = timeout(SOON, async { tokio::join!(run, stopped) }).await.expect("it stops soon");
    assert!(
        matches!(&log.faults[0].1, FaultOutcome::NotInjected(reason) if reason.contains("the run stops")),
        "{log:?}"
    );
    assert_eq!(court.sleepers.pid("kafka"), before, "it was not killed");
    assert_eq!(steps(&court.adjourn(), 0), [FaultStep::Asked, FaultStep::Failed]);
}

#[tokio::test]
async fn a_fault_that_cannot_be_injected_at_time_zero_is_missing_at_the_start() {
    let mut court = Court::convene().await;
    court.stage.toxiproxy.kill().await;
    let later = cut(1, Duration::from_millis(50), FOR_EVER, &court.stage);
    let log = court.carry_out(vec![cut(0, Duration::ZERO, FOR_EVER, &court.stage), later]).await;
    // Nobody knows what a dead Toxiproxy left in place, so neither is said to be taken back.
    assert_eq!(log.missing_at_start().count(), 1, "{log:?}");
    assert_eq!(log.not_healed().count(), 2, "{log:?}");
    let events = court.adjourn();
    assert_eq!(steps(&events, 0), [FaultStep::Asked, FaultStep::Failed, FaultStep::Failed]);
    let failed = events.iter().find(|event| event.step == FaultStep::Failed).expect("it failed");
    let reason = failed.detail.as_deref().expect("a failure has a reason");
    assert!(reason.contains("toxiproxy at 127.0.0.1"), "{reason}");
}

#[tokio::test]
async fn a_link_fault_that_fails_halfway_is_taken_back() {
    let court = Court::convene().await;
    let (fault, _) = cut(0, Duration::ZERO, FOR_EVER, &court.stage);
    let nowhere = tornwrite::link::Link::new("api-2", "kafka");
    let log = court.carry_out(vec![(fault, Strikes::Links(vec![court.stage.link.clone(), nowhere]))]).await;
    assert!(matches!(&log.faults[0].1, FaultOutcome::NotInjected(reason) if reason.contains("no link api-2 → kafka")));
    assert!(court.stage.works().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_resolved_when_the_fault_strikes_and_the_history_names_who_it_was() {
    let court = Court::convene().await;
    let leader = Role::Leader { topic: "purchases".to_owned(), partition: 0 };
    let target = Target::Process(leader.to_string());
    let fault =
        Fault { id: 0, at: Duration::ZERO, duration: Duration::from_millis(20), kind: FaultKind::Pause, target };
    let log = court.carry_out(vec![(fault, Strikes::Late(vec![leader]))]).await;
    assert_eq!(log.faults[0].1, FaultOutcome::Healed);
    let events = court.adjourn();
    let confirmed = events.iter().find(|event| event.step == FaultStep::Confirmed).expect("it was in place");
    assert_eq!(confirmed.targets, ["kafka"]);
    let detail = confirmed.detail.as_deref().unwrap_or_default();
    assert!(detail.starts_with("leader:purchases-0 is kafka; "), "{detail}");
    assert_eq!(confirmed.what, "pause leader:purchases-0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_nobody_plays_is_a_fault_that_was_not_injected() {
    let court = Court::convene().await;
    let target = Target::Process("primary".to_owned());
    let fault = Fault { id: 0, at: Duration::ZERO, duration: Duration::from_millis(20), kind: FaultKind::Kill, target };
    let log = court.carry_out(vec![(fault, Strikes::Late(vec![Role::Primary]))]).await;
    assert!(matches!(&log.faults[0].1, FaultOutcome::NotInjected(reason) if reason.contains("nobody is primary")));
    court.adjourn();
}
