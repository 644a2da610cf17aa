//! Agreement with Porcupine on the histories that come with it: 102 of etcd, 6 of a key-value store.
//!
//! Where Go is installed, Porcupine itself is built and asked. Where it is not, the engine is held to the verdicts that
//! Porcupine gave when the histories were stored, which are the same as long as the stored file is.

#[path = "porcupine/driver.rs"]
mod driver;

use driver::Driver;
use torn_engine::budget::Budget;
use torn_engine::register::Options;
use torn_engine::verdict::Verdict;

#[test]
fn the_stored_histories_and_verdicts_are_porcupines() {
    let Some(driver) = Driver::build() else {
        eprintln!("Go is not installed: the stored verdicts stand for Porcupine's");
        return;
    };
    let (stored, fresh) = (driver::stored(), driver.convert());
    assert_eq!(stored.len(), fresh.len());
    for (stored, fresh) in stored.iter().zip(&fresh) {
        let parse = |line: &str| -> serde_json::Value { serde_json::from_str(line).expect("it is JSON") };
        assert!(stored == fresh || parse(stored) == parse(fresh), "{fresh:.80}…");
    }
}

#[test]
fn porcupine_itself_and_the_engine_agree_with_and_without_partition() {
    let Some(driver) = Driver::build() else {
        eprintln!("Go is not installed: the stored verdicts stand for Porcupine's");
        return;
    };
    let recorded = driver::recorded();
    let verdicts = driver.check("judge");
    // The four that Porcupine can judge without partition in reasonable time come twice.
    assert_eq!(verdicts.len(), 112);
    for verdict in verdicts {
        let history = recorded.iter().find(|recorded| recorded.id == verdict.id).expect("it is stored");
        let options = Options { partition: verdict.partition, ..Options::default() };
        let judgement = history.read().judge(&options, &Budget::unlimited());
        assert_eq!(judgement.verdict == Verdict::Valid, verdict.linearizable, "{} with {options:?}", verdict.id);
    }
}

#[test]
fn all_108_histories_are_judged_as_porcupine_judges_them() {
    let recorded = driver::recorded();
    assert_eq!(recorded.len(), 108);
    for history in &recorded {
        let read = history.read();
        for options in [
            Options::default(),
            Options { shortcuts: false, ..Options::default() },
            Options { partition: false, ..Options::default() },
        ] {
            let judgement = read.judge(&options, &Budget::unlimited());
            let expected = if history.linearizable { Verdict::Valid } else { Verdict::Invalid };
            assert_eq!(judgement.verdict, expected, "{} with {options:?}", history.id);
        }
    }
}
