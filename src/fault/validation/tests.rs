//! Each mistake is told with its key, and each right fault passes.

use std::time::Duration;

use super::*;
use crate::fault::fixture::{cluster_topology, scenario, topology};

const LOAD: Duration = Duration::from_secs(60);

fn judge(fault: &str) -> Result<(), FaultProblem> {
    let scenario = scenario(&format!("[[fault]]\nat = \"4s\"\n{fault}"));
    validate(&scenario.fault[0], &topology(), LOAD)
}

/// The key and the message of a fault that must not pass.
fn mistake(fault: &str) -> (&'static str, String) {
    let problem = judge(fault).expect_err("this fault has a mistake");
    (problem.key, problem.message)
}

fn judge_random(random: &str) -> Result<(), (Option<usize>, FaultProblem)> {
    let scenario = scenario(&format!("[random_faults]\n{random}"));
    validate_random(scenario.random_faults.as_ref().expect("the table is there"), &topology(), LOAD)
}

#[test]
fn every_kind_on_what_exists_in_some_variant_passes() {
    for fault in [
        "for = \"5s\"\npartition = [\"api\", \"kafka\"]",
        "for = \"5s\"\nrefuse = [\"clients\", \"api-2\"]",
        "for = \"5s\"\nblack_hole = [\"relay-1\", \"mongodb\"]",
        "for = \"5s\"\nanswer_lost = [\"clients\", \"legacy\"]",
        "for = \"5s\"\nlatency = [\"api-1\", \"kafka\"]\ndelay = \"100ms\"\njitter = \"100ms\"",
        "for = \"5s\"\nlatency = [\"api-1\", \"kafka\"]\ndelay = \"100ms\"\nonly = \"answers\"",
        "for = \"5s\"\nblack_hole = [\"api\", \"kafka\"]\nonly = \"requests\"",
        "for = \"5s\"\nbandwidth = [\"api\", \"kafka\"]\nkilobytes_per_second = 1",
        "for = \"5s\"\nbandwidth = [\"api\", \"kafka\"]\nkilobytes_per_second = 10\nonly = \"requests\"",
        "for = \"5s\"\nreset_peer = [\"clients\", \"api\"]",
        "for = \"5s\"\nslow_close = [\"relay\", \"mongodb\"]\ndelay = \"2s\"",
        "for = \"5s\"\npause = \"relay\"",
        "kill = \"kafka\"",
        "kill = \"api\"\nrestart_after = \"3s\"",
        "at_message = { link = \"api-1:mongodb\", command = \"insert\", nth = 3 }\ndo = \"drop-answer\"",
        "at_message = { link = \"relay-1:kafka\", command = \"Produce\" }\ndo = \"kill-before\"\nrestart_after = \"2s\"",
        "at_message = { link = \"api-2:kafka\", command = \"Fetch\" }\ndo = \"kill-after-answer\"",
        "at_message = { link = \"api-1:mongodb\", command = \"update\" }\ndo = \"delay\"\ndelay = \"50ms\"",
    ] {
        judge(fault).unwrap_or_else(|problem| panic!("{fault}: {problem}"));
    }
}

#[test]
fn exactly_one_kind_must_be_given() {
    assert_eq!(mistake("for = \"5s\"").0, "");
    assert_eq!(mistake("kill = \"kafka\"\npause = \"kafka\"").0, "pause");
    assert_eq!(mistake("for = \"5s\"\npartition = [\"api\", \"kafka\"]\nkill = \"kafka\"").0, "kill");
}

#[test]
fn a_misspelt_target_is_told_with_the_nearest_one() {
    let (key, message) = mistake("for = \"5s\"\npartition = [\"api\", \"kafak\"]");
    assert_eq!(key, "partition");
    assert!(message.contains("`kafak`") && message.contains("did you mean `kafka`?"), "{message}");
    let (_, message) = mistake("kill = \"warehouse\"");
    assert!(!message.contains("did you mean") && message.contains("there are: api, api-1, api-2, relay"), "{message}");
}

#[test]
fn a_role_that_no_variant_has_and_an_instance_too_many_are_unknown() {
    assert_eq!(mistake("kill = \"ghost\"").0, "kill");
    assert_eq!(mistake("kill = \"api-3\"").0, "kill");
}

#[test]
fn a_link_that_nobody_dials_is_refused_and_a_reversed_one_turned_round() {
    let (key, message) = mistake("for = \"5s\"\nrefuse = [\"kafka\", \"api\"]");
    assert!(key == "refuse" && message.contains("[\"api\", \"kafka\"]"), "{message}");
    let (_, message) = mistake("for = \"5s\"\nrefuse = [\"clients\", \"relay\"]");
    assert!(message.contains("does not dial") && message.contains("clients → api-1"), "{message}");
}

#[test]
fn what_torn_did_not_start_can_be_neither_killed_nor_reached_on_its_own_links() {
    assert!(mistake("kill = \"legacy-1\"").1.contains("`url`"));
    assert_eq!(mistake("for = \"1s\"\npause = \"clients\"").0, "pause");
    assert!(mistake("for = \"1s\"\nrefuse = [\"legacy\", \"mongodb\"]").1.contains("does not dial"));
}

#[test]
fn durations_stand_where_they_belong() {
    assert_eq!(mistake("partition = [\"api\", \"kafka\"]").0, "for");
    assert_eq!(mistake("for = \"0s\"\npause = \"api\"").0, "for");
    assert_eq!(mistake("for = \"1s\"\nkill = \"api\"").0, "for");
    assert_eq!(mistake("for = \"1s\"\nrestart_after = \"1s\"\npause = \"api\"").0, "restart_after");
    assert_eq!(mistake("for = \"1s\"\nlatency = [\"api\", \"kafka\"]").0, "delay");
    assert_eq!(
        mistake("for = \"1s\"\nlatency = [\"api\", \"kafka\"]\ndelay = \"10ms\"\njitter = \"11ms\"").0,
        "jitter"
    );
    assert_eq!(mistake("for = \"1s\"\nrefuse = [\"api\", \"kafka\"]\ndelay = \"10ms\"").0, "delay");
    assert_eq!(mistake("for = \"1s\"\npause = \"api\"\njitter = \"10ms\"").0, "jitter");
}

#[test]
fn a_narrow_link_needs_a_rate_and_only_some_kinds_know_a_direction() {
    let (key, message) = mistake("for = \"1s\"\nbandwidth = [\"api\", \"kafka\"]");
    assert!(key == "kilobytes_per_second" && message.contains("kilobytes_per_second = 10"), "{message}");
    let (key, message) = mistake("for = \"1s\"\nbandwidth = [\"api\", \"kafka\"]\nkilobytes_per_second = 0");
    assert!(key == "kilobytes_per_second" && message.contains("`black_hole`"), "{message}");
    let (key, message) = mistake("for = \"1s\"\nrefuse = [\"api\", \"kafka\"]\nkilobytes_per_second = 1");
    assert_eq!(
        (key, &*message),
        ("kilobytes_per_second", "only `bandwidth` takes `kilobytes_per_second`, not `refuse`")
    );
    assert_eq!(mistake("for = \"1s\"\nslow_close = [\"api\", \"kafka\"]").0, "delay");
    assert_eq!(mistake("for = \"1s\"\nslow_close = [\"api\", \"kafka\"]\ndelay = \"0s\"").0, "delay");
    assert_eq!(mistake("for = \"1s\"\nslow_close = [\"api\", \"kafka\"]\ndelay = \"1s\"\njitter = \"1s\"").0, "jitter");
    for kind in ["partition", "refuse", "answer_lost", "reset_peer"] {
        let (key, message) = mistake(&format!("for = \"1s\"\n{kind} = [\"api\", \"kafka\"]\nonly = \"answers\""));
        assert!(key == "only" && message.ends_with(&format!("take `only`, not `{kind}`")), "{message}");
    }
    assert_eq!(mistake("kill = \"api\"\nonly = \"answers\"").0, "only");
}

#[test]
fn a_fault_after_the_load_is_refused() {
    let scenario = scenario("[[fault]]\nat = \"60s\"\nkill = \"api\"");
    assert_eq!(validate(&scenario.fault[0], &topology(), LOAD).expect_err("too late").key, "at");
}

#[test]
fn a_kill_whose_replication_stops_for_longer_than_the_load_lasts_is_refused() {
    let kill = "kill = \"primary\"\nunreplicated_for = \"56s\"\n";
    let fault = scenario(&format!("[[fault]]\nat = \"4s\"\n{kill}")).fault.remove(0);
    let problem = validate(&fault, &cluster_topology(), LOAD).expect_err("the load is over before the kill");
    assert_eq!(problem.key, "unreplicated_for", "{problem}");
    let shorter = FaultSpec { unreplicated_for: Some(Duration::from_secs(55)), ..fault };
    validate(&shorter, &cluster_topology(), LOAD).expect("it strikes a second before the end");
    let choice = |shortest: u32| {
        let keys = format!("{kill}shortest = \"{shortest}s\"\nlongest = \"9s\"\n");
        let random = scenario(&format!("[random_faults]\ncount = 1\n[[random_faults.choice]]\n{keys}")).random_faults;
        validate_choice(&random.expect("the table is there").choice[0], &cluster_topology(), LOAD)
    };
    choice(4).expect("it heals when the load ends");
    assert_eq!(choice(5).expect_err("it heals after the load").key, "unreplicated_for");
}

#[test]
fn random_choices_are_judged_like_faults() {
    let choice = |keys: &str| format!("count = 2\n[[random_faults.choice]]\n{keys}");
    judge_random(&choice("shortest = \"1s\"\nlongest = \"2s\"\nkill = \"api\"")).expect("a right choice");
    for (keys, key) in [
        ("shortest = \"3s\"\nlongest = \"2s\"\nkill = \"api\"", "longest"),
        ("shortest = \"0s\"\nlongest = \"2s\"\nkill = \"api\"", "shortest"),
        ("shortest = \"61s\"\nlongest = \"62s\"\nkill = \"api\"", "shortest"),
        ("shortest = \"1s\"\nlongest = \"2s\"\nkill = \"api\"\nweight = -1.0", "weight"),
        ("shortest = \"1s\"\nlongest = \"2s\"\nkill = \"apo\"", "kill"),
        ("shortest = \"1s\"\nlongest = \"2s\"\nbandwidth = [\"api\", \"kafka\"]", "kilobytes_per_second"),
        ("shortest = \"1s\"\nlongest = \"2s\"\nreset_peer = [\"api\", \"kafka\"]\nonly = \"requests\"", "only"),
        ("shortest = \"1s\"\nlongest = \"2s\"\nlatency = [\"api\", \"kafka\"]", "delay"),
    ] {
        let (index, problem) = judge_random(&choice(keys)).expect_err(keys);
        assert_eq!((index, problem.key), (Some(0), key));
    }
}

#[test]
fn random_faults_as_a_whole_must_be_possible() {
    let choice = "[[random_faults.choice]]\nshortest = \"1s\"\nlongest = \"2s\"\nkill = \"api\"\n";
    let always = judge_random(&format!("count = 1\n{choice}always = true\n{choice}always = true"));
    assert_eq!(always.expect_err("two always, one fault").1.key, "count");
    let weightless = judge_random(&format!("count = 1\n{choice}weight = 0.0"));
    assert_eq!(weightless.expect_err("nothing to draw").1.key, "choice");
}

#[test]
fn every_fault_on_a_cluster_passes_where_there_is_one() {
    for fault in [
        "for = \"5s\"\nisolate = \"primary\"",
        "for = \"5s\"\nisolate = \"leader:purchases-1\"\nonly = \"inbound\"\nhow = \"black-hole\"",
        "for = \"5s\"\nhalves = [\"primary\", \"relay\"]\nhow = \"refuse\"",
        "for = \"5s\"\npartition = [\"api\", \"secondary\"]",
        "for = \"5s\"\npartition = [\"kafka-1\", \"kafka-2:quorum\"]",
        "for = \"5s\"\nblack_hole = [\"mongodb\", \"mongodb-1\"]",
        "kill = \"primary\"\nunreplicated_for = \"1s\"",
        "for = \"5s\"\npause = \"follower:purchases-0\"",
        "for = \"5s\"\nstep_down = \"mongodb\"",
        "for = \"5s\"\ntwo_primaries = \"mongodb\"\nwith = [\"api-2\"]",
        "roll_oplog = \"mongodb\"",
    ] {
        let scenario = scenario(&format!("[[fault]]\nat = \"4s\"\n{fault}"));
        let judged = validate(&scenario.fault[0], &cluster_topology(), LOAD);
        judged.unwrap_or_else(|problem| panic!("{fault}: {problem}"));
    }
}

#[test]
fn a_fault_on_a_cluster_that_cannot_be_is_told_with_the_remedy() {
    for (fault, key, said) in [
        ("for = \"5s\"\nisolate = \"primary\"", "isolate", "`mongodb.nodes = 3`"),
        ("for = \"5s\"\nisolate = \"leader:purchases-0\"", "isolate", "`kafka.brokers = 3`"),
        ("for = \"5s\"\nisolate = \"api-1\"", "isolate", "no server of a cluster"),
        ("for = \"5s\"\ntwo_primaries = \"mongodb\"", "two_primaries", "`mongodb.nodes = 3`"),
        ("roll_oplog = \"kafka\"", "roll_oplog", "only MongoDB"),
        ("kill = \"primary\"\nunreplicated_for = \"1s\"", "unreplicated_for", "`mongodb.nodes = 3`"),
        ("kill = \"leader:orders-0\"", "kill", "no topic orders"),
        ("kill = \"leader:purchases-7\"", "kill", "has 2 partitions"),
        ("for = \"5s\"\nhalves = []", "halves", "names nobody"),
        ("for = \"5s\"\nhalves = [\"api\"]\nonly = \"requests\"", "only", "not `halves`"),
        ("for = \"5s\"\nisolate = \"primary\"\nonly = \"requests\"", "only", "\"inbound\" or \"outbound\""),
        ("for = \"5s\"\nblack_hole = [\"api\", \"kafka\"]\nonly = \"inbound\"", "only", "\"requests\" or \"answers\""),
        ("for = \"5s\"\npause = \"api\"\nwith = [\"api\"]", "with", "only `two_primaries`"),
        ("for = \"5s\"\nroll_oplog = \"mongodb\"", "for", "leave `for` out"),
    ] {
        let (found, message) = if fault.starts_with("for = \"5s\"\nroll_oplog") {
            let scenario = scenario(&format!("[[fault]]\nat = \"4s\"\n{fault}"));
            let problem = validate(&scenario.fault[0], &cluster_topology(), LOAD).expect_err("it takes no time");
            (problem.key, problem.message)
        } else {
            mistake(fault)
        };
        assert_eq!(found, key, "{fault}: {message}");
        assert!(message.contains(said), "{fault}: {message}");
    }
}

#[test]
fn a_fault_at_a_message_names_one_link_and_says_what_to_do() {
    let at = |link: &str, command: &str, rest: &str| {
        mistake(&format!("at_message = {{ link = \"{link}\", command = \"{command}\" }}\n{rest}"))
    };
    let cases = [
        (at("api-1", "insert", "do = \"drop-answer\""), "at_message", "\"api-1:mongodb\""),
        (
            at("api:mongodb", "insert", "do = \"drop-answer\""),
            "at_message",
            "name one of: api-1:mongodb, api-2:mongodb",
        ),
        (at("clients:api-1", "insert", "do = \"drop-answer\""), "at_message", "what clients send is HTTP"),
        (at("mongodb:api-1", "insert", "do = \"drop-answer\""), "at_message", "it is the other way"),
        (at("api-1:mongodb", "insert", ""), "do", "`at_message` needs `do`"),
        (at("api-1:mongodb", "insert", "do = \"delay\""), "delay", "needs `delay`"),
        (at("api-1:mongodb", "insert", "do = \"drop-answer\"\ndelay = \"1s\""), "delay", "only `do = \"delay\"`"),
        (at("api-1:kafka", "Fetch", "do = \"kill-before\""), "do", "is asked all the time"),
        (at("api-1:mongodb", "insert", "do = \"drop-answer\"\nfor = \"1s\""), "for", "leave `for` out"),
        (at("api-1:mongodb", "insert", "do = \"drop-answer\"\nrestart_after = \"1s\""), "restart_after", "only `kill`"),
        (mistake("kill = \"kafka\"\ndo = \"drop-answer\""), "do", "only `at_message` takes `do`"),
    ];
    for ((key, message), expected_key, part) in cases {
        assert!(key == expected_key && message.contains(part), "{key}: {message}");
    }
}

#[test]
fn a_message_is_struck_by_one_fault() {
    let fault = |at: &str, nth: u32| {
        format!(
            "[[fault]]\nat = \"{at}\"\ndo = \"drop-answer\"\n\
             at_message = {{ link = \"api-1:mongodb\", command = \"insert\", nth = {nth} }}\n"
        )
    };
    let judge = |second: &str| validate_together(&scenario(&format!("{}{second}", fault("4s", 2))).fault);
    let (number, problem) = judge(&fault("4s", 2)).expect_err("both wait for the same message");
    assert_eq!((number, problem.key), (1, "at_message"));
    assert!(problem.message.starts_with("fault[0] waits for the same message"), "{problem}");
    for other in [fault("4s", 3), fault("5s", 2), "[[fault]]\nat = \"4s\"\nkill = \"api-1\"\n".to_owned()] {
        assert_eq!(judge(&other), Ok(()), "{other}");
    }
}

#[test]
fn a_misspelt_role_of_a_cluster_is_met_with_the_right_one() {
    let fault = &scenario("[[fault]]\nat = \"4s\"\nfor = \"5s\"\nisolate = \"primry\"").fault[0];
    let problem = validate(fault, &cluster_topology(), LOAD).expect_err("nobody is called that");
    assert!(problem.message.contains("did you mean `primary`?"), "{problem}");
    assert!(problem.message.ends_with("follower:<topic>-<partition>"), "{problem}");
}
