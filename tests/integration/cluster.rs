//! Three mongods and three brokers: they find together, every process sees names of its own, whoever is cut off is
//! replaced while it lives, and whoever was killed comes back.
//!
//! Needs the installed stack (`torn stack install`).

mod hosts;
mod stand;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use procfs::net::TcpState;
use procfs::process::{FDTarget, Process};
use tornwrite::environment::EnvironmentError;
use tornwrite::environment::local::ClusterSpec;
use tornwrite::link::LinkFault;
use tornwrite::process::usage;
use tornwrite::scenario::manifest::Node;

use self::stand::{Stand, hello, leader_where, make_topic, min_insync_replicas};
use crate::stack::run::{Run, processes_of, until, within};

/// How long a failover may take, an elected member's first answer included. It takes two to three seconds; a busy
/// machine gives its timers late.
const FAILOVER: Duration = Duration::from_secs(30);

fn mongods(count: u32) -> ClusterSpec {
    ClusterSpec { mongodb_nodes: count, kafka_brokers: 0, ..ClusterSpec::default() }
}

fn brokers(count: u32) -> ClusterSpec {
    ClusterSpec { mongodb_nodes: 0, kafka_brokers: count, ..ClusterSpec::default() }
}

/// What each member has used of processor and memory.
async fn used_by(stand: &Stand) -> Vec<String> {
    let mut all = Vec::new();
    for unit in stand.cluster.units() {
        let used = usage::usage(unit.pid().await.expect("it runs")).expect("it runs");
        all.push(format!("{} {} ms, {} MB", unit.name(), used.cpu_ms, used.rss >> 20));
    }
    all
}

/// The links on which members have connections now. None has one to another member past its links.
async fn links_dialled(stand: &Stand) -> BTreeSet<String> {
    let specs = stand.cluster.link_specs();
    let members: Vec<IpAddr> = specs.iter().map(|spec| spec.upstream.ip()).collect();
    let mut dialled = BTreeSet::new();
    for unit in stand.cluster.units() {
        let own = stand.address(unit.name()).ip();
        for remote in peers(unit.pid().await.expect("it runs")) {
            let is_past = members.contains(&remote.ip()) && remote.ip() != own;
            assert!(!is_past, "{} is connected to {remote} past its links", unit.name());
            dialled.extend(specs.iter().filter(|spec| spec.listen == remote).map(|spec| spec.link.to_string()));
        }
    }
    dialled
}

/// The other ends of the connections that a process has.
fn peers(pid: u32) -> Vec<SocketAddr> {
    let process = Process::new(pid.cast_signed()).expect("it runs");
    let inode = |target| match target {
        FDTarget::Socket(inode) => Some(inode),
        _ => None,
    };
    let descriptors = process.fd().expect("it is ours").flatten();
    let sockets: BTreeSet<u64> = descriptors.filter_map(|descriptor| inode(descriptor.target)).collect();
    let entries = process.tcp().expect("it is ours").into_iter().chain(process.tcp6().unwrap_or_default());
    let own = entries.filter(|entry| entry.state == TcpState::Established && sockets.contains(&entry.inode));
    own.map(|entry| plain(entry.remote_address)).collect()
}

/// Java writes IPv4 addresses in the way of IPv6.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[tokio::test(flavor = "multi_thread")]
async fn three_of_each_find_together_and_dial_each_other_through_links_only() {
    let run = Run::start();
    let stand = Stand::up(&run, &ClusterSpec::default()).await;
    let used: Vec<String> = used_by(&stand).await;
    eprintln!("used by then: {}", used.join(", "));
    let broker = stand.address("kafka-1");
    make_topic(broker, "events").await;
    leader_where(broker, "events", |_, insync| insync == 3).await;
    assert_eq!(min_insync_replicas(broker, "events").await.as_deref(), Some("2"));

    let expected = [(1, 2), (1, 3), (2, 1), (2, 3), (3, 1), (3, 2)];
    let mongods = expected.map(|(from, to)| format!("mongodb-{from} → mongodb-{to}"));
    let mut dialled = BTreeSet::new();
    within("members use their links", async {
        // Two followers have dialled the leader, of the partition and of the quorum.
        let two =
            |dialled: &BTreeSet<String>, what: &str| dialled.iter().filter(|link| link.ends_with(what)).count() > 1;
        while !(mongods.iter().all(|link| dialled.contains(link))
            && two(&dialled, ":replication")
            && two(&dialled, ":quorum"))
        {
            dialled.extend(links_dialled(&stand).await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    stand.end().await;
    run.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_cut_off_is_replaced_and_still_answers() {
    let run = Run::start();
    let stand = Stand::up(&run, &mongods(3)).await;
    let old = stand.primary(&[]).await;
    let began = Instant::now();
    stand.links.inject(1, &stand.around(&old), LinkFault::Partition).await.expect("it is cut");
    let new = stand.primary(&[&old]).await;
    let took = began.elapsed();
    eprintln!("{old} cut off, {new} primary after {took:.2?}");
    assert!(took < FAILOVER);
    let says = hello(stand.address(&old)).await;
    assert!(says.get_str("me").is_ok_and(|me| me.starts_with(&old)), "{says}");
    stand.links.heal(1).await.expect("it is healed");
    until_one_primary(&stand).await;
    stand.end().await;
    run.finish().await;
}

async fn until_one_primary(stand: &Stand) {
    within("one primary and two secondaries", async {
        loop {
            let mut secondaries = 0;
            for (_, address) in stand.cluster.members(Node::Mongodb) {
                secondaries += usize::from(hello(address).await.get_bool("secondary").unwrap_or(false));
            }
            if secondaries == 2 && stand.cluster.primaries().await.len() == 1 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_partition_of_a_broker_that_is_cut_off_gets_another_leader() {
    let run = Run::start();
    let stand = Stand::up(&run, &brokers(3)).await;
    make_topic(stand.address("kafka-1"), "events").await;
    let (old, _) = leader_where(stand.address("kafka-1"), "events", |_, insync| insync == 3).await;
    let (cut, other) = (format!("kafka-{old}"), format!("kafka-{}", old % 3 + 1));
    stand.links.inject(1, &stand.around(&cut), LinkFault::Partition).await.expect("it is cut");
    let (new, took) =
        leader_where(stand.address(&other), "events", |leader, insync| leader != old && leader > 0 && insync == 2)
            .await;
    eprintln!("{cut} cut off, kafka-{new} leads after {took:.2?}");
    assert!(took < FAILOVER);
    let (still, _) = leader_where(stand.address(&cut), "events", |leader, _| leader == old).await;
    assert_eq!(still, old, "who is cut off has not heard of it");
    stand.links.heal(1).await.expect("it is healed");
    leader_where(stand.address(&cut), "events", |leader, insync| leader != old && insync == 3).await;
    stand.end().await;
    run.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_member_comes_back() {
    let run = Run::start();
    let stand = Stand::up(&run, &ClusterSpec::default()).await;
    let primary = stand.primary(&[]).await;
    for member in [primary.as_str(), "kafka-2"] {
        let unit = stand.cluster.unit(member).expect("it is a member");
        let pid = unit.pid().await.expect("it runs");
        let began = Instant::now();
        unit.kill().await.expect("it runs");
        assert!(Process::new(pid.cast_signed()).is_err(), "the server itself is gone");
        let cluster = stand.cluster.clone();
        let name = member.to_owned();
        tokio::spawn(async move { cluster.restart(&name).await }).await.expect("no panic").expect("it comes back");
        eprintln!("{member} serves again {:.2?} after its kill", began.elapsed());
    }
    until_one_primary(&stand).await;
    let unknown = stand.cluster.restart("kafka-9").await.expect_err("there is none");
    assert!(matches!(unknown, EnvironmentError::NoServer(_)), "{unknown}");
    stand.end().await;
    run.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clusters_at_once_do_not_meet() {
    let run = Run::start();
    let spec = ClusterSpec { kafka_brokers: 1, min_insync_replicas: 1, ..ClusterSpec::default() };
    let (one, two) = tokio::join!(Stand::up(&run, &spec), Stand::up(&run, &spec));
    let ports =
        |stand: &Stand| -> BTreeSet<u16> { stand.cluster.link_specs().iter().map(|spec| spec.listen.port()).collect() };
    assert!(ports(&one).is_disjoint(&ports(&two)));
    for stand in [&one, &two] {
        assert_eq!(stand.cluster.primaries().await.len(), 1);
        assert!(stand.cluster.unit("kafka").is_some(), "a single broker has the plain name");
    }
    one.end().await;
    assert_eq!(two.cluster.primaries().await.len(), 1, "the end of one is nothing to the other");
    two.end().await;
    run.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_cannot_reach_each_other_are_said_not_to_have_formed() {
    let run = Run::start();
    let spec = ClusterSpec { form_within: Duration::from_secs(8), ..mongods(3) };
    let stand = Stand::set(&run, &spec).await;
    let all: Vec<_> = stand.links.iter().cloned().collect();
    stand.links.inject(1, &all, LinkFault::Refuse).await.expect("it is cut");
    let error = stand.serve().await.expect_err("no majority can be reached");
    let said = error.to_string();
    assert!(matches!(error, EnvironmentError::NotFormed { .. }), "{said}");
    for expected in ["has not formed after 8 s", "mongodb-2: ", "mongodb-3.log:"] {
        assert!(said.contains(expected), "{said}");
    }
    until("its servers are ended", || processes_of(&run.name).is_empty()).await;
    stand.end().await;
    run.finish().await;
}
