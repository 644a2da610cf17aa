//! What a person sees while runs go on, on stderr: phases and a live line on a terminal, plain lines elsewhere.

use std::io::{IsTerminal, stderr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::JoinHandle;

use crate::history::entry::PhaseName;
use crate::run::event::{Event, Live, Observer, Swept};

/// How often the live line is drawn on a terminal.
const DRAW_EVERY: Duration = Duration::from_millis(250);

/// How often a plain line tells how the load stands.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chatter {
    /// Phases and the live line.
    Full,
    /// Phases and plain lines, never a line that is drawn over.
    Plain,
    /// Nothing but verdicts and errors.
    Quiet,
}

impl Chatter {
    /// What the flags and the terminal allow.
    pub fn choose(quiet: bool, no_progress: bool) -> Self {
        match (quiet, no_progress || !stderr().is_terminal()) {
            (true, _) => Self::Quiet,
            (false, true) => Self::Plain,
            (false, false) => Self::Full,
        }
    }
}

/// Shows one run. Dropping it clears the live line.
pub struct Screen {
    state: Arc<State>,
    ticker: JoinHandle<()>,
}

struct State {
    chatter: Chatter,
    /// Of many runs, none has lines of its own: phases are told in the line that is drawn over, after this.
    brief: Option<String>,
    bar: ProgressBar,
    began: Instant,
    live: Mutex<Option<Arc<dyn Fn() -> Live + Send + Sync>>>,
}

impl Screen {
    /// Shows a run under this title: `1/3 dual-write`.
    pub fn open(chatter: Chatter, title: &str) -> Self {
        Self::opened(chatter, title, None)
    }

    /// Shows one of many runs: its title, and how it stands only where that is drawn over.
    pub fn open_brief(chatter: Chatter, title: &str) -> Self {
        Self::opened(chatter, title, Some(title.split(' ').next().unwrap_or_default().to_owned()))
    }

    fn opened(chatter: Chatter, title: &str, brief: Option<String>) -> Self {
        let target = if chatter == Chatter::Full { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(ProgressStyle::with_template("{spinner} {wide_msg}").expect("a fixed template"));
        let state = Arc::new(State { chatter, brief, bar, began: Instant::now(), live: Mutex::new(None) });
        state.line(title);
        let ticking = Arc::clone(&state);
        let ticker = tokio::spawn(async move { tick(&ticking).await });
        Self { state, ticker }
    }

    /// What the run is given to tell its events to.
    pub fn observer(&self) -> Observer {
        let state = Arc::clone(&self.state);
        Arc::new(move |event| state.show(event))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.ticker.abort();
        self.state.bar.finish_and_clear();
    }
}

impl State {
    fn show(&self, event: Event) {
        match event {
            Event::Phase(phase) => {
                if phase > PhaseName::Load {
                    *self.live.lock().unwrap_or_else(PoisonError::into_inner) = None;
                }
                if let Some(words) = words(phase) {
                    self.message(words);
                    self.phase(&format!("  {:>6.1} s  {words}", self.began.elapsed().as_secs_f64()));
                }
            }
            Event::Load(live) => *self.live.lock().unwrap_or_else(PoisonError::into_inner) = Some(live),
            Event::Sweep(Swept { done, total, elapsed, point }) => {
                let left = elapsed.as_secs_f64() / done.max(1) as f64 * (total - done) as f64;
                let left = if done == 0 { String::new() } else { format!(", about {left:.0} s left") };
                self.message(&format!("{}/{total} points{left}: {point}", done + 1));
            }
            Event::Draining(what) => self.message(&format!("waiting until nothing can still arrive: {what}")),
            Event::Remark(remark) => {
                let remark = format!("  {:>6.1} s  note: {remark}", self.began.elapsed().as_secs_f64());
                // A remark is news that also a quiet user wants: it says why the verdict will be what it is.
                if self.chatter == Chatter::Quiet { eprintln!("{remark}") } else { self.line(&remark) }
            }
        }
    }

    /// A line that stays, unless runs are told in brief.
    fn phase(&self, text: &str) {
        if self.brief.is_none() {
            self.line(text);
        }
    }

    /// The line that is drawn over.
    fn message(&self, text: &str) {
        match &self.brief {
            Some(number) => self.bar.set_message(format!("{number}  {text}")),
            None => self.bar.set_message(text.to_owned()),
        }
    }

    /// A line that stays.
    fn line(&self, text: &str) {
        match self.chatter {
            Chatter::Full => self.bar.println(text),
            Chatter::Plain => eprintln!("{text}"),
            Chatter::Quiet => {}
        }
    }

    fn live(&self) -> Option<Live> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner).clone();
        live.map(|live| live())
    }
}

/// Draws the live line, or tells it now and then.
async fn tick(state: &State) {
    let mut ticks = tokio::time::interval(DRAW_EVERY);
    let mut told = Instant::now();
    loop {
        ticks.tick().await;
        state.bar.tick();
        let Some(live) = state.live() else { continue };
        if state.chatter == Chatter::Full {
            state.message(&live_line(&live));
        } else if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            state.phase(&format!("  {:>6.1} s  {}", state.began.elapsed().as_secs_f64(), live_line(&live)));
        }
    }
}

/// `12/22 s  198 done/s  p99 12 ms  3 in flight  fault: partition api → kafka  ok 2301  fail 80  info 0`: what a narrow
/// terminal cuts off is what the verdict says again. No sign that is two columns wide: the line would be drawn longer
/// than it was measured, and each drawing would leave a line behind.
fn live_line(live: &Live) -> String {
    let p99 = live.p99.map_or_else(|| "-".to_owned(), |p99| format!("{:.0} ms", p99.as_secs_f64() * 1e3));
    let faults = if live.faults.is_empty() { String::new() } else { format!("  fault: {}", live.faults.join(", ")) };
    format!(
        "{:.0}/{:.0} s  {:.0} done/s  p99 {p99}  {} in flight{faults}  ok {}  fail {}  info {}",
        live.elapsed.as_secs_f64(),
        live.total.as_secs_f64(),
        live.rate,
        live.in_flight,
        live.ok,
        live.fail,
        live.info
    )
}

fn words(phase: PhaseName) -> Option<&'static str> {
    match phase {
        PhaseName::Environment => Some("servers come up"),
        PhaseName::Setup => Some("topics, collections, links, witnesses"),
        PhaseName::Services => Some("services come up"),
        PhaseName::Anatomy => Some("one operation of each kind alone: the messages that it costs"),
        PhaseName::WarmUp => Some("warm-up"),
        PhaseName::Load => Some("load and faults"),
        // The drain follows at once and says the same.
        PhaseName::LoadEnd => None,
        PhaseName::Drain => Some("all is healed; waiting until nothing can still arrive"),
        PhaseName::FinalReads => Some("final reads"),
        PhaseName::Stop => Some("services and servers stop"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Live, live_line};
    use std::time::Duration;

    #[test]
    fn the_live_line_tells_rate_flight_tail_outcomes_and_fault() {
        let view = Live {
            elapsed: Duration::from_secs(12),
            total: Duration::from_secs(22),
            rate: 198.4,
            in_flight: 3,
            p99: Some(Duration::from_micros(12_345)),
            ok: 2301,
            fail: 80,
            info: 1,
            faults: vec!["partition api → kafka".to_owned()],
        };
        let text =
            "12/22 s  198 done/s  p99 12 ms  3 in flight  fault: partition api → kafka  ok 2301  fail 80  info 1";
        assert_eq!(live_line(&view), text);
    }
}
