//! A sweep in plain words: the same in the page, in Markdown, in `junit.xml` and in the terminal.

use std::collections::BTreeSet;

use crate::checker::verdict::AnomalyKind;
use crate::report::sentence::{counted, figure, grouped, milliseconds};
use crate::sweep::point::{Action, Manner, Point};
use crate::sweep::table::{Cell, CellVerdict, MessageRow, Retry, Sweep, Try, VariantSweep};

/// At most so many messages are named in a headline; the details have all.
const NAMED: usize = 4;

/// Colour alone tells nobody who does not see it.
pub fn sign(verdict: CellVerdict) -> &'static str {
    match verdict {
        CellVerdict::Harmless => "✓",
        CellVerdict::Unknown => "?",
        CellVerdict::Harmful => "✗",
    }
}

/// A verdict as a word.
pub fn word(verdict: CellVerdict) -> &'static str {
    match verdict {
        CellVerdict::Harmless => "harmless",
        CellVerdict::Unknown => "unknown",
        CellVerdict::Harmful => "harmful",
    }
}

/// The heading of an action's column.
pub fn head(action: Action) -> &'static str {
    match action {
        Action::DropRequest => "request lost",
        Action::DropAnswer => "answer lost",
        Action::KillBefore => "dies before",
        Action::KillAfterRequest => "dies after request",
        Action::KillAfterAnswer => "dies after answer",
    }
}

/// What an action does, for the reader who has never met it.
pub fn meaning(action: Action) -> &'static str {
    match action {
        Action::DropRequest => "The request never arrives, and its connection is closed.",
        Action::DropAnswer => "The request is carried out; its answer never arrives, and the connection is closed.",
        Action::KillBefore => "The process is killed before its request leaves it.",
        Action::KillAfterRequest => "The process is killed when its request was carried out, before it hears of it.",
        Action::KillAfterAnswer => "The process is killed when it has the answer, before it sends anything else.",
    }
}

/// What is done at a point: `api-1 dies before it sends Produce purchases to kafka`.
pub fn struck(point: &Point) -> String {
    let (client, server, title) = (&point.message.client, &point.message.server, point.message.title());
    match (point.manner, point.action) {
        (Manner::Call, Action::DropRequest) => format!("{title} of {client} never reaches {server}"),
        (Manner::Call, Action::DropAnswer) => {
            format!("{server} carries out {title}, and its answer never reaches {client}")
        }
        (Manner::Call, Action::KillBefore) => format!("{client} dies before it sends {title} to {server}"),
        (Manner::Call, Action::KillAfterRequest) => {
            format!("{client} dies when {server} has carried out {title}, before it hears of it")
        }
        (Manner::Call, Action::KillAfterAnswer) => {
            format!("{client} dies when it has the answer of {server} to {title}, before it sends anything else")
        }
        // Nothing is done to the question of a delivery; should a file say so all the same, it is told.
        (Manner::Delivery, Action::DropRequest | Action::KillBefore) => {
            format!("{} at the question of {client} to {server}: {title}", point.action.name())
        }
        (Manner::Delivery, Action::DropAnswer) => format!("what {server} brings by {title} never reaches {client}"),
        (Manner::Delivery, Action::KillAfterRequest) => {
            format!("{client} dies before it hears what {server} brings by {title}")
        }
        (Manner::Delivery, Action::KillAfterAnswer) => {
            format!("{client} dies when it has what {server} brings by {title}, before it sends anything else")
        }
    }
}

/// A variant in one sentence: in how many places it may not die or be cut, and in which.
pub fn headline(variant: &VariantSweep) -> String {
    format!("{}: {}", variant.variant, outcome(variant))
}

/// The same without its name.
pub fn outcome(variant: &VariantSweep) -> String {
    let places = variant.points().count();
    match (&variant.failure, places) {
        (Some(failure), 0) => format!("no verdict: {failure}"),
        (Some(failure), _) => format!("no verdict: {failure}. Until then: {}", counted_places(variant, places)),
        (None, 0) => "nothing was tried.".to_owned(),
        (None, _) => counted_places(variant, places),
    }
}

fn counted_places(variant: &VariantSweep, places: usize) -> String {
    let (harmful, unknown) = (variant.count(CellVerdict::Harmful), variant.count(CellVerdict::Unknown));
    let found = match harmful {
        0 if unknown == 0 => format!("none of {}: it may die or be cut in each of them.", places_told(places)),
        0 => format!("none of {} that could be judged.", places_told(places - unknown)),
        _ => format!("{harmful} of {} where it may not die or be cut: {}.", places_told(places), named(variant)),
    };
    if unknown == 0 { found } else { format!("{found} Of {} nothing can be said.", places_told(unknown)) }
}

/// `1 place`, `1,042 places`.
pub fn places_told(count: usize) -> String {
    if count == 1 { "1 place".to_owned() } else { format!("{} places", grouped(count as u64)) }
}

/// `api-1 at update products (answer lost, dies after answer), …`.
fn named(variant: &VariantSweep) -> String {
    let is_harmful = |cell: &&Cell| cell.verdict == CellVerdict::Harmful;
    let rows: Vec<String> = variant
        .messages
        .iter()
        .filter(|row| row.cells.iter().any(|cell| is_harmful(&cell)))
        .map(|row| {
            let heads: Vec<&str> = row.cells.iter().filter(is_harmful).map(|cell| head(cell.action)).collect();
            format!("{} at {} ({})", row.message.client, row.message.title(), heads.join(", "))
        })
        .collect();
    let more = rows.len().saturating_sub(NAMED);
    let named = rows[..rows.len() - more].join(", ");
    match more {
        0 => named,
        1 => format!("{named}, and at 1 more message"),
        _ => format!("{named}, and at {more} more messages"),
    }
}

/// What was done at each place, in two or three sentences.
pub fn conditions(sweep: &Sweep) -> String {
    let retry = match sweep.retry {
        Retry::None => "A client that gets no answer does not ask again.",
        Retry::SameKey => "A client that gets no answer asks again under the same key.",
        Retry::NewKey => "A client that gets no answer asks again under another key.",
    };
    let times =
        if sweep.repeat > 1 { format!(", each {} times (the worst counts)", sweep.repeat) } else { String::new() };
    let places = sweep.variants.iter().map(|variant| variant.points().count()).sum::<usize>();
    let seconds = sweep.variants.iter().map(|variant| variant.seconds).sum::<f64>();
    format!(
        "At each place one {} was carried out on an entity of its own, and struck there. {retry} {}{times}, in {} s.",
        sweep.operation,
        places_told(places),
        figure(seconds)
    )
}

/// The kinds that were found at a point, in any of its tries.
pub fn kinds(cell: &Cell) -> BTreeSet<AnomalyKind> {
    cell.tries.iter().flat_map(|one| one.anomalies.iter().copied()).collect()
}

/// `lost event`, `lost event and duplicate effect`; of a harmful point that names none, what there is to say.
pub fn found(cell: &Cell) -> String {
    let kinds: Vec<String> = kinds(cell).into_iter().map(|kind| counted(kind, 1)).collect();
    if kinds.is_empty() { "something outside the listed anomalies".to_owned() } else { kinds.join(" and ") }
}

/// What the client was told, each answer once.
pub fn told(cell: &Cell) -> String {
    distinct(cell.tries.iter().map(|one| one.told.as_str())).join(", or ")
}

/// The notes of all tries, each once.
pub fn notes(cell: &Cell) -> Vec<&str> {
    distinct(cell.tries.iter().filter_map(|one| one.note.as_deref()))
}

fn distinct<'text>(texts: impl Iterator<Item = &'text str>) -> Vec<&'text str> {
    let mut seen = Vec::new();
    for text in texts {
        if !seen.contains(&text) {
            seen.push(text);
        }
    }
    seen
}

/// The try that a story is told of: the first that has one.
pub fn told_try(cell: &Cell) -> Option<&Try> {
    cell.tries.iter().find(|one| one.example.is_some())
}

/// A harmful or unknown point in one sentence: what is done there and what comes of it.
pub fn sentence(point: &Point, cell: &Cell) -> String {
    let struck = struck(point);
    match cell.verdict {
        CellVerdict::Harmful => {
            format!("{struck}: {}{}; the client was told: {}.", found(cell), share(cell), told(cell))
        }
        CellVerdict::Unknown => {
            let notes = notes(cell);
            let why = if notes.is_empty() { "nothing can be said".to_owned() } else { notes.join("; ") };
            format!("{struck}: {why}.")
        }
        CellVerdict::Harmless => format!("{struck}: nothing that is forbidden comes of it."),
    }
}

/// ` in 2 of 3 tries`; nothing where all tries agree.
fn share(cell: &Cell) -> String {
    let of_them = cell.tries.iter().filter(|one| one.verdict == cell.verdict).count();
    if of_them == cell.tries.len() { String::new() } else { format!(" in {of_them} of {} tries", cell.tries.len()) }
}

/// Whether a message does not come every time.
pub fn varies(row: &MessageRow) -> bool {
    row.seen_in < row.recordings
}

/// When a message passes, from the operation's invocation on.
pub fn when(row: &MessageRow) -> String {
    let at = |microseconds: u64| milliseconds(microseconds as f64 / 1e3);
    match (row.manner, row.answer_us) {
        (Manner::Call, Some(answer)) => {
            format!("{} (+{})", at(row.request_us), at(answer.saturating_sub(row.request_us)))
        }
        (Manner::Call, None) => format!("{}, no answer seen", at(row.request_us)),
        (Manner::Delivery, _) => at(row.request_us),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::point::MessageName;

    fn point(manner: Manner, action: Action) -> Point {
        let message = MessageName {
            client: "api-1".to_owned(),
            server: "kafka".to_owned(),
            command: "Produce".to_owned(),
            target: Some("purchases".to_owned()),
            nth: 1,
        };
        Point { message, manner, action }
    }

    #[test]
    fn each_point_is_told_in_words_that_need_no_manual() {
        let told: Vec<String> = Action::ALL.map(|action| struck(&point(Manner::Call, action))).into();
        let expected = [
            "Produce purchases of api-1 never reaches kafka",
            "kafka carries out Produce purchases, and its answer never reaches api-1",
            "api-1 dies before it sends Produce purchases to kafka",
            "api-1 dies when kafka has carried out Produce purchases, before it hears of it",
            "api-1 dies when it has the answer of kafka to Produce purchases, before it sends anything else",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_cell_of_which_some_tries_were_harmful_says_in_how_many() {
        let one = |verdict, told: &str| Try {
            verdict,
            anomalies: if verdict == CellVerdict::Harmful { vec![AnomalyKind::LostEvent] } else { Vec::new() },
            example: None,
            note: None,
            told: told.to_owned(),
            operation: "op-1".to_owned(),
            entity: "p-1".to_owned(),
            took_ms: 400,
        };
        let tries = vec![one(CellVerdict::Harmful, "no answer"), one(CellVerdict::Harmless, "201")];
        let cell = Cell { action: Action::KillBefore, verdict: CellVerdict::Harmful, tries };
        assert_eq!(
            sentence(&point(Manner::Call, Action::KillBefore), &cell),
            "api-1 dies before it sends Produce purchases to kafka: 1 lost event in 1 of 2 tries; the client was told: no \
             answer, or 201."
        );
    }
}
