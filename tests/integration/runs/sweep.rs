//! Sweeps of the built `torn`: the exact places where a service may die, and where it may not.

use nix::sys::signal::Signal;

use super::{OUTBOX, desk, manifest, scenario};
use crate::torn::{Desk, Ended};

fn sweep_desk(variants: &str) -> Desk {
    desk(&manifest(), &scenario("1s", variants))
}

/// The harmful points of each variant, by its name.
fn harmful(ended: &Ended) -> Vec<(String, Vec<String>)> {
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    let lines = ended.objects();
    let variants = lines.iter().map(|line| {
        assert_eq!(line["unknown"], 0, "of every place something can be said: {ended}");
        let points = line["harmful"].as_array().expect("a list").iter().map(text).collect();
        (text(&line["variant"]), points)
    });
    variants.collect()
}

#[test]
fn between_one_store_and_the_other_a_dual_write_may_not_die_whichever_comes_first() {
    let desk = sweep_desk(
        r#"[[variant]]
name = "dual-write"
pattern = { stock = "conditional", write = "dual-write", consumer = "inbox" }
expect.anomalies = ["lost-event"]

[[variant]]
name = "event first"
pattern = { stock = "conditional", write = "event-first", consumer = "inbox" }
expect.anomalies = ["phantom-event"]
"#,
    );
    let ended = desk.torn(&["sweep", "scenario.toml", "--format", "json", "--no-progress"]).with_code(0);
    let owned = |points: [&str; 3]| points.map(str::to_owned).to_vec();
    let dual_write = owned([
        "kill-after-request at api-1 → mongodb: findAndModify products",
        "kill-after-answer at api-1 → mongodb: findAndModify products",
        "kill-before at api-1 → kafka: Produce purchases",
    ]);
    let event_first = owned([
        "kill-after-request at api-1 → kafka: Produce purchases",
        "kill-after-answer at api-1 → kafka: Produce purchases",
        "kill-before at api-1 → mongodb: findAndModify products",
    ]);
    let expected = vec![("dual-write".to_owned(), dual_write), ("event first".to_owned(), event_first)];
    assert_eq!(harmful(&ended), expected, "{ended}");
    desk.assert_nothing_is_left();

    // The page again, from what was kept.
    let run = desk.runs().into_values().next().expect("there are two");
    let folder = run.path.parent().expect("the invocation's folder").to_owned();
    let page = std::fs::read_to_string(folder.join("sweep.html")).expect("a page");
    std::fs::remove_file(folder.join("sweep.html")).expect("it is there");
    desk.torn(&["report", folder.to_str().expect("a path in UTF-8")]).with_code(0);
    assert_eq!(std::fs::read_to_string(folder.join("sweep.html")).expect("a page"), page);
    std::fs::write(folder.join("sweep.json"), "{}").expect("it can be written");
    let refused = desk.torn(&["report", folder.to_str().expect("a path in UTF-8")]).with_code(64);
    assert!(refused.stderr.contains("sweep.json: not what a sweep leaves"), "{refused}");
}

#[test]
fn an_outbox_may_die_anywhere_with_either_relay() {
    let stream = OUTBOX.replace("polling", "change-stream");
    let desk = sweep_desk(&format!(
        "[[variant]]\nname = \"polling\"\n{OUTBOX}\n\n[[variant]]\nname = \"change stream\"\n{stream}\n"
    ));
    let ended = desk.torn(&["sweep", "scenario.toml", "--format", "json", "--no-progress"]).with_code(0);
    let expected = ["polling", "change stream"].map(|name| (name.to_owned(), Vec::new()));
    assert_eq!(harmful(&ended), expected, "{ended}");
    for line in ended.objects() {
        assert!(
            line["points"].as_u64().is_some_and(|points| points > 40),
            "api, relay and projector are swept: {ended}"
        );
    }
}

#[test]
fn an_interrupted_sweep_ends_in_order_and_leaves_nothing() {
    let desk = sweep_desk(&format!("[[variant]]\nname = \"outbox\"\n{OUTBOX}"));
    let mut going = desk.start(&["sweep", "scenario.toml", "--no-progress"]);
    going.until_recorded(&["\"strike\""]);
    going.signal(Signal::SIGINT);
    going.end().with_code(130).saying("interrupted").saying("what was stored is in");
    desk.assert_nothing_is_left();
}

#[test]
fn what_cannot_be_swept_is_told_before_anything_starts() {
    let desk = sweep_desk(&format!("[[variant]]\nname = \"outbox\"\n{OUTBOX}"));
    let cases: [(&[&str], &str); 5] = [
        (&[], "<FILE>"),
        (&["scenario.toml", "--operation", "refund"], "no such operation; it has: purchase, read"),
        (&["scenario.toml", "--repeat", "0"], "0 is not in 1..=1000"),
        (&["scenario.toml", "--retry", "always"], "possible values: none, same-key, new-key"),
        (&["scenario.toml", "--set", "mongodb.nodes=3"], "a sweep wants one server of each kind"),
    ];
    for (arguments, message) in cases {
        desk.torn(&[&["sweep"], arguments].concat()).with_code(64).saying(message);
    }
    assert!(!desk.path("results").exists(), "nothing was run");
}
