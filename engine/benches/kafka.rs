//! How fast the history of a log is judged: `cargo bench -p torn-engine --bench kafka [-- RECORDS [VALUES]]`.
//!
//! Writes a file of RECORDS operation records (invocations and completions; default 880,000), reads it as JSON Lines and
//! judges it. VALUES is `integers` (default) or `texts`. The history is what a Jepsen run looks like: 20
//! clients, 16 keys, one poll of 10 messages for every 10 sends, gaps in the log as transaction markers leave them, sends
//! that are polled before they are acknowledged, one in a thousand that ends as `info`.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use torn_engine::budget::Budget;
use torn_engine::kafka::{History, Options};
use torn_engine::operation::Recorder;
use torn_engine::read;

const KEYS: usize = 16;
const CLIENTS: usize = 20;
const POLLERS: usize = 4;
const SENDS_PER_POLL: usize = 10;
const ROUNDS: usize = 3;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let records = arguments.next().map_or(880_000, |number| number.parse().expect("RECORDS is a number"));
    let texts = arguments.next().is_some_and(|values| values == "texts");
    let path = std::env::temp_dir().join(format!("kafka-bench-{}.jsonl", std::process::id()));
    let records = Writer::new(&path, texts).history(records);
    let megabytes = fs::metadata(&path).map_or(0, |file| file.len()) as f64 / 1e6;
    println!("{records} records, {megabytes:.1} MB");
    let (mut reading, mut judging) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        let (start, begun) = (Instant::now(), processor_seconds());
        let history = read(&path);
        let read = start.elapsed();
        let (memory, before) = (history.memory(), processor_seconds());
        let judgement = history.judge(&Options::default(), &Budget::unlimited());
        let judged = start.elapsed().saturating_sub(read);
        println!(
            "reading {read:.3?} ({:.0} MB/s, {:.2} s of a processor), judging {judged:.3?} ({:.2} s of processors), {:?}, {} kinds \
             found, columns {:.1} MB",
            megabytes / read.as_secs_f64(),
            before - begun,
            processor_seconds() - before,
            judgement.verdict,
            judgement.anomalies.len(),
            memory as f64 / 1e6,
        );
        (reading, judging) = (reading.min(read), judging.min(judged));
    }
    println!("best of {ROUNDS}: reading {reading:.3?}, judging {judging:.3?}, together {:.3?}", reading + judging);
    println!("peak memory {} MB", peak_kilobytes() / 1024);
    fs::remove_file(&path).expect("the file was just read");
}

fn read(path: &Path) -> History {
    let mut read = None;
    read::file(path, u64::MAX, |history: read::History<History>| {
        read = Some(history.recorder.expect("there is memory for it"));
        ControlFlow::Continue(())
    })
    .expect("the generator writes sound operations");
    read.expect("the file is one history")
}

/// The time that all threads have worked: other processes on the machine change it less than the time on the clock.
fn processor_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn peak_kilobytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// The keys that one polling client reads.
fn keys_of(poller: usize) -> impl Iterator<Item = usize> {
    (0..KEYS).filter(move |key| key % POLLERS == poller)
}

/// A log that works, and its clients.
struct Writer {
    texts: bool,
    file: BufWriter<File>,
    index: usize,
    time: u64,
    /// The messages of each key, with their offsets.
    logs: [Vec<(u64, u64)>; KEYS],
    /// How far each key was polled.
    places: [usize; KEYS],
    /// What each client is sending.
    open: [Option<(usize, u64, u64)>; CLIENTS],
    next_value: u64,
    random: u64,
}

impl Writer {
    fn new(path: &Path, texts: bool) -> Self {
        Self {
            texts,
            file: BufWriter::new(File::create(path).expect("the directory for temporary files can be written")),
            index: 0,
            time: 0,
            logs: Default::default(),
            places: [0; KEYS],
            open: [None; CLIENTS],
            next_value: 0,
            random: 0,
        }
    }

    /// Writes about so many records; yields how many.
    fn history(mut self, records: usize) -> usize {
        for poller in 0..POLLERS {
            let keys: Vec<String> = keys_of(poller).map(|key| format!("\"{key}\"")).collect();
            let keys = format!("[{}]", keys.join(","));
            self.line(poller, "invoke", "assign", &keys);
            self.line(poller, "ok", "assign", &keys);
        }
        let mut round = 0;
        while self.index + 2 * SENDS_PER_POLL + 2 <= records {
            for send in 0..SENDS_PER_POLL {
                self.send(POLLERS + (round * SENDS_PER_POLL + send) % (CLIENTS - POLLERS));
            }
            self.poll(round % POLLERS);
            round += 1;
        }
        (0..CLIENTS).for_each(|client| self.complete(client));
        for poller in 0..POLLERS {
            while self.poll(poller) > 0 {}
        }
        self.file.flush().expect("the file can be written");
        self.index
    }

    /// A client's last send completes, and its next one is invoked: its message is in the log before anyone is told.
    fn send(&mut self, client: usize) {
        self.complete(client);
        let key = self.draw() % KEYS;
        self.next_value += 1;
        let value = self.next_value;
        let spelled = self.spelled(value);
        self.line(client, "invoke", "send", &format!("[[\"send\",\"{key}\",{spelled}]]"));
        let gap = u64::from(self.draw().is_multiple_of(5));
        let offset = self.logs[key].last().map_or(0, |&(offset, _)| offset + 1 + gap);
        self.logs[key].push((offset, value));
        self.open[client] = Some((key, offset, value));
    }

    fn complete(&mut self, client: usize) {
        let Some((key, offset, value)) = self.open[client].take() else { return };
        let spelled = self.spelled(value);
        if self.draw().is_multiple_of(1_000) {
            self.line(client, "info", "send", &format!("[[\"send\",\"{key}\",{spelled}]]"));
        } else {
            self.line(client, "ok", "send", &format!("[[\"send\",\"{key}\",[{offset},{spelled}]]]"));
        }
    }

    /// Polls the next messages of the client's keys; yields how many.
    fn poll(&mut self, poller: usize) -> usize {
        self.line(poller, "invoke", "poll", "[[\"poll\"]]");
        let mut answer = String::from("[[\"poll\",{");
        let mut left = SENDS_PER_POLL;
        for key in keys_of(poller) {
            let place = self.places[key];
            let until = self.logs[key].len().min(place + left);
            if place == until {
                continue;
            }
            let separator = if left == SENDS_PER_POLL { "" } else { "," };
            write!(answer, "{separator}\"{key}\":[").expect("a text takes what is written to it");
            for message in place..until {
                let (offset, value) = self.logs[key][message];
                let separator = if message == place { "" } else { "," };
                write!(answer, "{separator}[{offset},{}]", self.spelled(value)).expect("a text takes what is written");
            }
            answer.push(']');
            left -= until - place;
            self.places[key] = until;
        }
        answer.push_str("}]]");
        self.line(poller, "ok", "poll", &answer);
        SENDS_PER_POLL - left
    }

    fn spelled(&self, value: u64) -> String {
        if self.texts { format!("\"message-{value:010}\"") } else { value.to_string() }
    }

    fn line(&mut self, process: usize, kind: &str, function: &str, value: &str) {
        self.time += 1_000 + self.draw() as u64 % 20_000;
        let (index, time) = (self.index, self.time);
        self.index += 1;
        writeln!(
            self.file,
            "{{\"index\":{index},\"time\":{time},\"process\":{process},\"type\":\"{kind}\",\"f\":\"{function}\",\"value\":{value}}}"
        )
        .expect("the file can be written");
    }

    /// The generator `SplitMix64`: the same history every time.
    fn draw(&mut self) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ self.random >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) >> 16) as usize
    }
}
