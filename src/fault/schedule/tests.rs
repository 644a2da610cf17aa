//! Properties of schedules, over random scenarios.

use std::fmt::Write;

use proptest::prelude::*;

use super::*;
use crate::fault::fixture::{resolved, scenario, topology};

const LOAD: Duration = Duration::from_secs(60);

/// The tables of a scenario with random faults, drawn from kinds and targets of every sort.
fn random_faults() -> impl Strategy<Value = String> {
    let what = prop_oneof![
        Just("kill = \"api\""),
        Just("kill = \"kafka\""),
        Just("kill = \"relay-1\""),
        Just("pause = \"api-2\""),
        Just("pause = \"mongodb\""),
        Just("partition = [\"api\", \"kafka\"]"),
        Just("partition = [\"clients\", \"api\"]"),
        Just("refuse = [\"api-1\", \"kafka\"]"),
        Just("black_hole = [\"relay\", \"mongodb\"]"),
        Just("answer_lost = [\"api-2\", \"mongodb\"]"),
        Just("latency = [\"api\", \"mongodb\"]\ndelay = \"20ms\""),
        Just("bandwidth = [\"api\", \"kafka\"]\nkilobytes_per_second = 10\nonly = \"requests\""),
        Just("reset_peer = [\"clients\", \"api\"]"),
        Just("slow_close = [\"relay\", \"kafka\"]\ndelay = \"2s\""),
    ];
    let choice = (what, 0.1_f64..9.0, any::<bool>(), 1_u64..1500, 0_u64..3000);
    (prop::collection::vec(choice, 1..5), 5_u32..12, 0_u64..1500).prop_map(|(choices, count, gap)| {
        let mut tables = format!("[random_faults]\ncount = {count}\ngap = \"{gap}ms\"\n");
        for (what, weight, always, shortest, further) in choices {
            let longest = shortest + further;
            write!(
                tables,
                "[[random_faults.choice]]\n{what}\nweight = {weight}\nalways = {always}\n\
                 shortest = \"{shortest}ms\"\nlongest = \"{longest}ms\"\n"
            )
            .expect("writing to a string");
        }
        tables
    })
}

fn plan(tables: &str, seed: u64, variant: usize) -> Schedule {
    let mut scenario = scenario(tables);
    scenario.seed = seed;
    Schedule::plan(&resolved(scenario, variant), LOAD).expect("the scenario is valid and there is room")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn random_faults_start_before_the_last_tenth_and_heal_before_the_load_ends(tables in random_faults(), seed: u64) {
        for (fault, _) in plan(&tables, seed, 1).faults {
            prop_assert!(fault.at > Duration::ZERO && fault.at < LOAD.mul_f64(0.9), "{fault} at {:?}", fault.at);
            prop_assert!(fault.until() <= LOAD, "{fault} at {:?}", fault.at);
        }
    }

    #[test]
    fn random_faults_on_one_target_never_overlap_and_keep_their_gap(tables in random_faults(), seed: u64) {
        let gap = scenario(&tables).random_faults.expect("the table is there").gap;
        // A property of the schedule that all variants share, so judged against everything.
        let all = topology();
        let faults: Vec<Placed> =
            plan(&tables, seed, 0).faults.into_iter().map(|(fault, _)| Placed::new(fault, &all)).collect();
        for (index, earlier) in faults.iter().enumerate() {
            for later in &faults[index + 1..] {
                if touches(&earlier.strikes, &later.strikes) {
                    prop_assert!(
                        earlier.fault.until() + gap <= later.fault.at,
                        "{} at {:?}, {} at {:?}", earlier.fault, earlier.fault.at, later.fault, later.fault.at
                    );
                }
            }
        }
    }

    #[test]
    fn the_same_seed_gives_every_variant_the_same_faults(tables in random_faults(), seed: u64) {
        let faults = |variant| plan(&tables, seed, variant).faults.into_iter().map(|(fault, _)| fault).collect::<Vec<_>>();
        prop_assert_eq!(faults(0), faults(0));
        prop_assert_eq!(faults(0), faults(1));
    }

    #[test]
    fn choices_that_come_always_come(tables in random_faults(), seed: u64) {
        let random = scenario(&tables).random_faults.expect("the table is there");
        let schedule = plan(&tables, seed, 0);
        for choice in random.choice.iter().filter(|choice| choice.always) {
            let (kind, target) = what_of(&Keys::from(choice)).expect("a valid choice");
            let within = |duration| choice.shortest <= duration && duration <= choice.longest;
            prop_assert!(
                schedule.faults.iter().any(|(fault, _)| fault.kind == kind && fault.target == target && within(fault.duration)),
                "{kind} {target} is missing"
            );
        }
    }

    #[test]
    fn as_many_faults_are_planned_as_were_asked_for_or_said_to_be_left_out(tables in random_faults(), seed: u64) {
        let count = scenario(&tables).random_faults.expect("the table is there").count;
        let schedule = plan(&tables, seed, 0);
        prop_assert_eq!(schedule.faults.len() + schedule.left_out as usize, count as usize);
        prop_assert!(schedule.faults.iter().zip(0..).all(|((fault, _), id)| fault.id == id));
        prop_assert!(schedule.faults.is_sorted_by_key(|(fault, _)| fault.at));
    }

    #[test]
    fn random_faults_keep_clear_of_fixed_ones(tables in random_faults(), seed: u64, at in 0_u64..50) {
        let fixed = format!("[[fault]]\nat = \"{at}s\"\nfor = \"5s\"\npartition = [\"api\", \"kafka\"]\n");
        let schedule = plan(&format!("{fixed}{tables}"), seed, 0);
        let window = Duration::from_secs(at)..Duration::from_secs(at + 5);
        let cuts = schedule.faults.iter().filter(|(fault, _)| fault.name() == "partition api → kafka");
        for (fault, _) in cuts.filter(|(fault, _)| fault.at != window.start) {
            prop_assert!(fault.until() <= window.start || fault.at >= window.end, "{fault} at {:?}", fault.at);
        }
    }
}

/// Written apart from [`share_a_target`]: whether two faults have a link, or an end of a link, in common where one of
/// them is about a process; names are compared as the history has them.
fn touches(left: &Strikes, right: &Strikes) -> bool {
    let ends = |strikes: &Strikes| -> Vec<String> {
        strikes.names().iter().flat_map(|name| name.split(" → ").map(str::to_owned).collect::<Vec<_>>()).collect()
    };
    match (left, right) {
        (Strikes::Links(_), Strikes::Links(_)) => left.names().iter().any(|name| right.names().contains(name)),
        _ => ends(left).iter().any(|name| ends(right).contains(name)),
    }
}

const KILL_RELAY: &str = "[[fault]]\nat = \"2s\"\nkill = \"relay\"\n";

#[test]
fn a_role_means_all_its_instances() {
    let tables = "[[fault]]\nat = \"2s\"\nfor = \"1s\"\npartition = [\"api\", \"kafka\"]\n[[fault]]\nat = \"1s\"\nkill = \"api\"\n";
    let schedule = plan(tables, 1, 0);
    assert_eq!(schedule.faults[0].1, Strikes::Processes(vec!["api-1".to_owned(), "api-2".to_owned()]));
    assert_eq!(schedule.faults[1].1.names(), ["api-1 → kafka", "api-2 → kafka"]);
}

#[test]
fn clients_dial_every_instance_that_serves() {
    let tables = "[[fault]]\nat = \"2s\"\nfor = \"1s\"\nrefuse = [\"clients\", \"api\"]\n";
    assert_eq!(plan(tables, 1, 0).faults[0].1.names(), ["clients → api-1", "clients → api-2"]);
}

#[test]
fn a_role_that_the_variant_has_not_leaves_nobody_to_strike() {
    assert_eq!(plan(KILL_RELAY, 1, 0).faults[0].1, Strikes::Nobody);
    assert_eq!(plan(KILL_RELAY, 1, 1).faults[0].1, Strikes::Processes(vec!["relay-1".to_owned()]));
}

#[test]
fn a_kill_without_restart_after_stays_down_for_a_second() {
    assert_eq!(plan(KILL_RELAY, 1, 1).faults[0].0.duration, Duration::from_secs(1));
}

#[test]
fn a_kill_is_under_way_from_when_replication_stops() {
    let tables = "\n[mongodb]\nnodes = 3\n[random_faults]\ncount = 4\ngap = \"1s\"\n\
        [[random_faults.choice]]\nkill = \"mongodb-1\"\nunreplicated_for = \"6s\"\nshortest = \"1s\"\nlongest = \"2s\"\n\
        [[random_faults.choice]]\npause = \"mongodb-1\"\nshortest = \"1s\"\nlongest = \"2s\"\n";
    let mut kills = 0;
    for seed in 0..50 {
        let faults: Vec<Fault> = plan(tables, seed, 1).faults.into_iter().map(|(fault, _)| fault).collect();
        kills += faults.iter().filter(|fault| fault.kind.is_kill()).count();
        for fault in &faults {
            let struck = if fault.kind.is_kill() { Duration::from_secs(6) } else { Duration::ZERO } + fault.duration;
            assert!(fault.at + struck <= LOAD, "{fault} at {:?}", fault.at);
            let later = faults.iter().filter(|later| later.at > fault.at);
            for later in later {
                let gap = Duration::from_secs(1);
                assert!(fault.at + struck + gap <= later.at, "{fault} at {:?}, {later} at {:?}", fault.at, later.at);
            }
        }
    }
    assert!(kills > 0);
}

#[test]
fn different_seeds_give_different_schedules() {
    let tables =
        "[random_faults]\ncount = 5\n[[random_faults.choice]]\nkill = \"api\"\nshortest = \"1s\"\nlongest = \"2s\"\n";
    assert_ne!(plan(tables, 1, 0), plan(tables, 2, 0));
}

#[test]
fn weights_decide_how_often_a_choice_comes() {
    let tables = "[random_faults]\ncount = 4\n\
        [[random_faults.choice]]\nweight = 9.0\npause = \"api\"\nshortest = \"1s\"\nlongest = \"1s\"\n\
        [[random_faults.choice]]\nweight = 1.0\npause = \"relay\"\nshortest = \"1s\"\nlongest = \"1s\"\n\
        [[random_faults.choice]]\nweight = 0.0\npause = \"kafka\"\nshortest = \"1s\"\nlongest = \"1s\"\n";
    let names: Vec<String> =
        (0..100).flat_map(|seed| plan(tables, seed, 1).faults).map(|(fault, _)| fault.name()).collect();
    let count = |name: &str| names.iter().filter(|other| *other == name).count();
    assert_eq!(count("pause kafka"), 0);
    // 40 of 400 expected, with a standard deviation of 6; the seeds are fixed, so this is no game of luck.
    assert!((16..=64).contains(&count("pause relay")), "{}", count("pause relay"));
}

#[test]
fn what_must_come_and_finds_no_room_is_an_error() {
    let tables = "[random_faults]\ncount = 2\n\
        [[random_faults.choice]]\nalways = true\npause = \"api\"\nshortest = \"40s\"\nlongest = \"50s\"\n\
        [[random_faults.choice]]\nalways = true\npause = \"api-1\"\nshortest = \"40s\"\nlongest = \"50s\"\n";
    let error = Schedule::plan(&resolved(scenario(tables), 0), LOAD).expect_err("80 s do not fit into 60");
    assert!(error.to_string().contains("no room for `pause api-1`"), "{error}");
}

#[test]
fn what_only_may_come_and_finds_no_room_is_counted() {
    let tables = "[random_faults]\ncount = 9\n[[random_faults.choice]]\npause = \"api\"\nshortest = \"20s\"\nlongest = \"25s\"\n";
    let schedule = plan(tables, 1, 0);
    assert!(schedule.left_out >= 7, "{schedule:?}");
    assert!(!schedule.faults.is_empty());
}
