//! Claims about the plan.

use std::collections::BTreeSet;

use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
use serde_json::json;

use super::*;
use crate::load::arrivals::Arrivals;

/// Two operations, two variants, two instances.
fn resolved(seed: u64, variant: usize, load: Value) -> Resolved {
    let mut resolved: Resolved = serde_json::from_value(json!({
        "name": "plan",
        "manifest_folder": "",
        "variant": variant,
        "scenario": {
            "workload": "shop",
            "seed": seed,
            "load": {},
            "instances": {"api": 2},
            "variant": [
                {"name": "dual-write", "pattern": {"write": "dual-write"}},
                {"name": "outbox", "pattern": {"write": "outbox"}},
            ],
        },
        "manifest": {
            "name": "shop",
            "parameters": {"currency": "EUR"},
            "process": {"api": {"command": ["shop", "--write={pattern.write}"], "instances": 2}},
            "operation": {
                "purchase": {
                    "method": "POST",
                    "path": "/products/{product}/purchases",
                    "headers": {"x-currency": "{currency}"},
                    "body": {"order": "{operation}", "quantity": "{quantity}"},
                    "values": {"quantity": {"uniform": [1, 3]}},
                    "entity": "{product}",
                    "ok": [201],
                },
                "look": {"method": "GET", "path": "/products/{product}", "ok": [200]},
            },
        },
    }))
    .unwrap();
    resolved.scenario.load = serde_json::from_value(load).unwrap();
    resolved
}

fn plan(seed: u64, load: Value) -> Plan {
    Plan::new(&resolved(seed, 0, load)).unwrap()
}

fn even() -> Value {
    json!({"rate": 10.0, "duration": "1s", "keys": {"product": {"count": 50}}})
}

fn kind(plan: &Plan, name: &str) -> usize {
    plan.kinds().iter().position(|kind| kind.name == name).unwrap()
}

fn refusal(change: impl FnOnce(&mut Resolved)) -> String {
    let mut resolved = resolved(1, 0, even());
    change(&mut resolved);
    Plan::new(&resolved).unwrap_err().to_string()
}

#[test]
fn an_operation_carries_everything_its_request_needs() {
    let plan = plan(1, even());
    let operation =
        (0..100).map(|n| plan.operation(n)).find(|operation| operation.kind == kind(&plan, "purchase")).unwrap();
    let product = operation.values["product"].as_str().unwrap();
    assert_eq!(operation.id, format!("purchase-{:06}", operation.number));
    assert_eq!(operation.path, format!("/products/{product}/purchases"));
    assert_eq!(operation.headers, [("x-currency".to_owned(), "EUR".to_owned())]);
    let body: Value = serde_json::from_slice(operation.body.as_ref().unwrap()).unwrap();
    assert_eq!(body, json!({"order": operation.id, "quantity": operation.values["quantity"]}));
}

#[test]
fn keys_are_named_by_their_space_and_number() {
    let small = plan(1, even());
    assert_eq!(small.keys("product").next(), Some("product-000"));
    assert_eq!(small.keys("product").last(), Some("product-049"));
    assert_eq!(small.keys("customer").count(), 0);
    let large = plan(1, json!({"rate": 1.0, "keys": {"product": {"count": 20_000}}}));
    assert_eq!(large.keys("product").nth(7), Some("product-00007"));
}

#[test]
fn instances_are_served_in_turn() {
    let plan = plan(1, even());
    let instances: Vec<usize> = (0..4).map(|n| plan.operation(n).instance).collect();
    assert_eq!(instances, [0, 1, 0, 1]);
    assert_eq!(plan.kinds()[0].instances, ["api-1", "api-2"]);
}

#[test]
fn variants_share_the_plan_and_seeds_do_not() {
    let digest = |seed, variant| {
        let resolved = resolved(seed, variant, even());
        let arrivals = Arrivals::new(&resolved.scenario.load, seed).unwrap();
        Plan::new(&resolved).unwrap().digest(200, arrivals.map(|arrival| arrival.due))
    };
    assert_eq!(digest(1, 0), digest(1, 1));
    assert_ne!(digest(1, 0), digest(2, 0));
}

#[test]
fn the_order_in_which_a_scenario_was_written_does_not_change_the_plan() {
    let mut reversed = resolved(1, 0, even());
    reversed.manifest.operation.reverse();
    reversed.scenario.load.keys.insert("customer".to_owned(), reversed.scenario.load.keys["product"].clone());
    let mut written = reversed.clone();
    written.manifest.operation.reverse();
    written.scenario.load.keys.reverse();
    let digest = |resolved| Plan::new(&resolved).unwrap().digest(100, std::iter::empty());
    assert_eq!(digest(reversed), digest(written));
}

#[test]
fn the_digest_sees_a_change_of_the_arrivals_alone() {
    let plan = plan(1, even());
    let with = |milliseconds| plan.digest(10, std::iter::once(std::time::Duration::from_millis(milliseconds)));
    assert_ne!(with(1), with(2));
}

#[test]
fn the_mix_is_drawn_by_its_weights() {
    let mixed = |mix| {
        let plan = plan(3, json!({"rate": 1.0, "keys": {"product": {"count": 2}}, "mix": mix}));
        let purchase = kind(&plan, "purchase");
        (0..4000).filter(|n| plan.operation(*n).kind == purchase).count()
    };
    // Binomial, 4,000 draws: four standard deviations are 126 for a half and 110 for a quarter.
    assert!((1874..2126).contains(&mixed(json!({}))));
    assert!((890..1110).contains(&mixed(json!({"purchase": 1.0, "look": 3.0}))));
    assert_eq!(mixed(json!({"look": 1.0})), 0);
}

fn shares(space: &Value) -> Vec<f64> {
    let plan = plan(5, json!({"rate": 1.0, "keys": {"product": space}}));
    let keys: Vec<&str> = plan.keys("product").collect();
    let mut counts = vec![0.0; keys.len()];
    for n in 0..20_000 {
        let operation = plan.operation(n);
        counts[keys.iter().position(|key| operation.values["product"] == **key).unwrap()] += 1.0 / 20_000.0;
    }
    counts
}

#[test]
fn zipf_keys_have_the_weights_of_their_rank() {
    let shares = shares(&json!({"count": 50, "distribution": "zipf", "exponent": 1.1}));
    let sum: f64 = (1..=50).map(|rank| f64::from(rank).powf(-1.1)).sum();
    for (index, share) in shares.iter().enumerate() {
        let expected = f64::from(index as u32 + 1).powf(-1.1) / sum;
        assert!((share - expected).abs() < 0.015, "key {index}: {share}, expected {expected}");
    }
    assert!(shares[0] > 1.8 * shares[1] && shares[0] > 10.0 * shares[20]);
}

#[test]
fn hot_keys_take_their_share_and_the_others_the_rest() {
    let shares = shares(&json!({"count": 10, "distribution": "hot", "hot_keys": 2, "hot_share": 0.8}));
    for (index, share) in shares.iter().enumerate() {
        let expected = if index < 2 { 0.4 } else { 0.025 };
        assert!((share - expected).abs() < 0.02, "key {index}: {share}, expected {expected}");
    }
}

#[test]
fn uniform_keys_are_all_alike() {
    for share in shares(&json!({"count": 4})) {
        assert!((share - 0.25).abs() < 0.02, "{share}");
    }
}

#[test]
fn what_cannot_be_planned_is_said_with_its_place() {
    assert_eq!(
        refusal(|resolved| resolved.manifest.operation["look"].path = "/{shelf}".to_owned()),
        "operation `look`, path: no variable `shelf`; there are `operation`, `product`, `currency`; add it to \
         [load.keys], to the operation's values or to [parameters]"
    );
    assert!(
        refusal(|resolved| resolved.manifest.operation["purchase"].body = Some(json!({"a": ["{"]})))
            .starts_with("operation `purchase`, body: `{`: the brace at character 1 is never closed")
    );
    assert!(
        refusal(|resolved| {
            resolved.manifest.operation["purchase"].entity = Some("{shelf}".to_owned());
        })
        .starts_with("operation `purchase`, entity: no variable `shelf`")
    );
    let mix = |name: &str, weight| {
        let name = name.to_owned();
        refusal(move |resolved| resolved.scenario.load.mix = IndexMap::from([(name, weight)]))
    };
    assert!(mix("sell", 1.0).starts_with("load.mix: no operation `sell`;"));
    assert!(mix("look", -1.0).starts_with("load.mix: `look` has the weight -1;"));
    assert!(mix("look", 0.0).starts_with("load.mix: no operation has a weight;"));
    assert!(
        refusal(|resolved| resolved.scenario.load.keys["product"].count = 0).starts_with("load.keys.product: no key")
    );
    assert!(
        refusal(|resolved| {
            resolved.manifest.operation["purchase"].values["quantity"] = Generator::Uniform([3, 1]);
        })
        .starts_with("operation `purchase`, values.quantity: the range is empty")
    );
    assert_eq!(
        refusal(|resolved| resolved.scenario.instances["api"] = 0),
        "operation `look`: role `api` has no instance to send it to"
    );
}

proptest! {
    #[test]
    fn an_operation_follows_from_seed_and_number_alone(seed: u64, numbers in proptest::collection::vec(0_u64..1 << 40, 1..8)) {
        let (first, second) = (plan(seed, even()), plan(seed, even()));
        let forwards: Vec<_> = numbers.iter().map(|n| first.operation(*n)).collect();
        let mut backwards: Vec<_> = numbers.iter().rev().map(|n| second.operation(*n)).collect();
        backwards.reverse();
        prop_assert_eq!(forwards, backwards);
    }

    #[test]
    fn every_key_and_value_is_in_range(
        seed: u64,
        count in 2_u32..300,
        distribution in proptest::sample::select(vec!["uniform", "zipf", "hot"]),
        exponent in 0.0_f64..3.0,
    ) {
        let space = json!({"count": count, "distribution": distribution, "exponent": exponent});
        let plan = plan(seed, json!({"rate": 1.0, "keys": {"product": space}}));
        let keys: BTreeSet<&str> = plan.keys("product").collect();
        prop_assert_eq!(keys.len(), count as usize);
        let mut ids = BTreeSet::new();
        for n in 0..200 {
            let operation = plan.operation(n);
            prop_assert!(keys.contains(operation.values["product"].as_str().unwrap()));
            if let Some(quantity) = operation.values.get("quantity") {
                prop_assert!((1..=3).contains(&quantity.as_i64().unwrap()));
            }
            prop_assert!(operation.trace != 0);
            prop_assert!(ids.insert(operation.id));
        }
    }
}
