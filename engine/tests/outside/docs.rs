//! The examples of `docs/outside-histories.md` are what it says they are.

use torn_engine::verdict::Verdict;

const PAGE: &str = include_str!("../../../docs/outside-histories.md");

#[test]
fn every_example_has_the_verdict_that_stands_above_it() {
    let mut examples = 0;
    for part in PAGE.split("<!-- ").skip(1) {
        let (claim, rest) = part.split_once(" -->\n```json\n").expect("an example follows its claim");
        let (text, _) = rest.split_once("```").expect("an example ends");
        let (model, expected) = claim.split_once(": ").expect("a claim is MODEL: VERDICT KIND…");
        let judgements = super::judge(model, text.as_bytes()).expect("an example can be read");
        let [judgement] = &judgements[..] else { panic!("an example is one history") };
        let mut found = match judgement.verdict {
            Verdict::Valid => "valid".to_owned(),
            Verdict::Unknown => "unknown".to_owned(),
            Verdict::Invalid => "invalid".to_owned(),
        };
        for anomaly in judgement.anomalies.iter().filter(|anomaly| anomaly.decides) {
            found.push(' ');
            found.push_str(anomaly.kind);
        }
        assert_eq!(found, expected, "{text}\n{judgement:#?}");
        examples += 1;
    }
    assert_eq!(examples, 4);
}
