//! Links through a real Toxiproxy: what live and new connections see under each fault, in both directions, and that
//! nothing is believed that is not so.

use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tornwrite::link::{Direction, Link, LinkError, LinkFault, Links};

use self::liar::Liar;
use self::stage::{Client, Echo, SILENCE, SOON, Sees, Stage, Toxiproxy, free_address, spec};

mod liar;
mod shape;
pub(crate) mod stage;

const BLACK_HOLE: LinkFault = LinkFault::BlackHole { direction: Direction::Both };

fn latency(delay: u64) -> LinkFault {
    LinkFault::Latency { delay: Duration::from_millis(delay), jitter: Duration::ZERO, direction: Direction::Both }
}

impl Stage {
    async fn inject(&self, fault: u32, what: LinkFault) -> String {
        let links = std::slice::from_ref(&self.link);
        self.links.inject(fault, links, what).await.expect("the fault gets into place").detail
    }

    async fn heal(&self, fault: u32) -> String {
        self.links.heal(fault).await.expect("the fault heals").detail
    }

    /// Nothing passes through this connection in either direction, and it stays open.
    async fn assert_nothing_passes(&self, client: &mut Client, bytes: &[u8]) {
        client.send(bytes).await;
        self.server.say(b"from the server");
        assert_eq!(client.sees(SILENCE).await, Sees::Nothing);
        assert!(!self.server.receives(bytes, Duration::ZERO).await);
    }
}

#[tokio::test]
async fn a_link_leads_to_its_server() {
    let stage = Stage::set().await;
    assert!(stage.works().await);
    assert_eq!(stage.links.iter().collect::<Vec<_>>(), [&stage.link]);
}

#[tokio::test]
async fn a_partition_closes_live_connections_and_black_holes_new_ones() {
    let stage = Stage::set().await;
    let mut live = stage.live_client().await;
    let detail = stage.inject(0, LinkFault::Partition).await;
    assert!(detail.contains("neither answer nor close"), "{detail}");
    assert_eq!(live.sees(SOON).await, Sees::Close);
    let mut new = Client::connect(stage.listen).await.expect("a partition accepts");
    stage.assert_nothing_passes(&mut new, b"lost").await;
    stage.heal(0).await;
    assert_eq!(new.sees(SOON).await, Sees::Close);
    assert!(stage.works().await);
    assert!(!stage.server.receives(b"lost", SILENCE).await, "what was dropped stays dropped");
}

#[tokio::test]
async fn a_refused_link_closes_live_connections_and_refuses_new_ones() {
    let stage = Stage::set().await;
    let mut live = stage.live_client().await;
    let detail = stage.inject(0, LinkFault::Refuse).await;
    assert!(detail.ends_with("probe: connection refused"), "{detail}");
    assert_eq!(live.sees(SOON).await, Sees::Close);
    assert!(stage.is_refused().await);
    stage.heal(0).await;
    assert!(stage.works().await);
}

#[tokio::test]
async fn a_black_hole_keeps_live_connections_and_swallows_both_directions() {
    let stage = Stage::set().await;
    let mut live = stage.live_client().await;
    stage.inject(0, BLACK_HOLE).await;
    stage.assert_nothing_passes(&mut live, b"lost").await;
    let mut new = Client::connect(stage.listen).await.expect("a black hole accepts");
    stage.assert_nothing_passes(&mut new, b"lost too").await;
    stage.heal(0).await;
    assert_eq!(live.sees(SOON).await, Sees::Close);
    assert!(stage.works().await);
}

#[tokio::test]
async fn latency_delays_a_round_trip_and_keeps_connections_through_the_heal() {
    let stage = Stage::set().await;
    let mut live = stage.live_client().await;
    let detail = stage.inject(0, latency(800)).await;
    assert!(detail.contains("a request was answered after"), "{detail}");
    let sent_at = Instant::now();
    assert!(live.is_echoed(b"slow").await);
    assert!(sent_at.elapsed() >= Duration::from_millis(798), "{:?}", sent_at.elapsed());
    stage.heal(0).await;
    let sent_at = Instant::now();
    assert!(live.is_echoed(b"quick").await);
    assert!(sent_at.elapsed() < Duration::from_millis(800), "{:?}", sent_at.elapsed());
}

#[tokio::test]
async fn with_lost_answers_requests_still_arrive() {
    let stage = Stage::set().await;
    let mut live = stage.live_client().await;
    stage.inject(0, LinkFault::AnswerLost).await;
    live.send(b"applied").await;
    assert!(stage.server.receives(b"applied", SOON).await);
    assert_eq!(live.sees(SILENCE).await, Sees::Nothing);
    let mut new = Client::connect(stage.listen).await.expect("it accepts");
    new.send(b"applied too").await;
    assert!(stage.server.receives(b"applied too", SOON).await);
    assert_eq!(new.sees(SILENCE).await, Sees::Nothing);
    stage.heal(0).await;
    assert!(stage.works().await);
}

#[tokio::test]
async fn healing_one_of_several_faults_leaves_the_others() {
    let stage = Stage::set().await;
    stage.inject(0, BLACK_HOLE).await;
    stage.inject(1, LinkFault::Partition).await;
    stage.inject(2, latency(20)).await;
    stage.heal(1).await;
    let mut client = Client::connect(stage.listen).await.expect("a black hole accepts");
    stage.assert_nothing_passes(&mut client, b"still lost").await;
    stage.heal(0).await;
    let mut client = Client::connect(stage.listen).await.expect("a slow link accepts");
    let sent_at = Instant::now();
    assert!(client.is_echoed(b"slow").await);
    assert!(sent_at.elapsed() >= Duration::from_millis(18));
    stage.heal(2).await;
    assert!(matches!(stage.links.heal(2).await, Err(LinkError::NoSuchFault { fault: 2 })));
}

#[tokio::test]
async fn a_server_that_is_down_refuses_whatever_else_is_on_its_link() {
    let stage = Stage::set().await;
    let mut live = stage.live_client().await;
    stage.inject(0, latency(20)).await;
    stage.links.set_down("kafka").await.expect("it goes down");
    assert_eq!(live.sees(SOON).await, Sees::Close);
    assert!(stage.is_refused().await);
    stage.heal(0).await;
    assert!(stage.is_refused().await, "a heal of another fault does not open it");
    stage.inject(1, BLACK_HOLE).await;
    stage.links.set_up("kafka").await.expect("it comes up");
    let mut client = Client::connect(stage.listen).await.expect("a black hole accepts");
    stage.assert_nothing_passes(&mut client, b"lost").await;
    stage.heal(1).await;
    assert!(stage.works().await);
}

#[tokio::test]
async fn heal_all_leaves_nothing_behind() {
    let stage = Stage::set().await;
    stage.inject(0, LinkFault::Partition).await;
    stage.inject(1, latency(20)).await;
    stage.links.set_down("kafka").await.expect("it goes down");
    stage.links.heal_all().await.expect("everything heals");
    assert!(stage.works().await);
    assert!(matches!(stage.links.heal(0).await, Err(LinkError::NoSuchFault { .. })));
}

#[tokio::test]
async fn ten_links_are_cut_together_and_others_not() {
    let (toxiproxy, server) = (Toxiproxy::start().await, Echo::start().await);
    let all: Vec<Link> = (1..=11).map(|number| Link::new(format!("api-{number}"), "kafka")).collect();
    let specs = all.iter().map(|link| spec(link, server.address)).collect();
    let links = Links::create(toxiproxy.api, specs).await.expect("eleven links");
    let confirmed = links.inject(7, &all[..10], LinkFault::Partition).await.expect("ten are cut");
    assert!(confirmed.detail.starts_with("10 links in "), "{}", confirmed.detail);
    for (index, link) in all.iter().enumerate() {
        let mut client = Client::connect(links.address(link).expect("it was made")).await.expect("it accepts");
        client.send(b"x").await;
        let expected = if index < 10 { Sees::Nothing } else { Sees::Bytes(b"x".to_vec()) };
        let patience = if index < 10 { SILENCE } else { SOON };
        assert_eq!(client.sees(patience).await, expected, "{link}");
    }
}

#[tokio::test]
async fn a_change_that_toxiproxy_only_claims_is_found_out() {
    let (toxiproxy, server) = (Toxiproxy::start().await, Echo::start().await);
    let link = Link::new("api-1", "kafka");
    let liar = Liar::before(toxiproxy.api, "POST", "/toxics").await;
    let links = Links::create(liar.api, vec![spec(&link, server.address)]).await.expect("one link");
    let error = links.inject(0, &[link], BLACK_HOLE).await.expect_err("it did not happen");
    assert!(matches!(error, LinkError::NotInPlace { .. }), "{error}");
    assert!(error.to_string().contains("api-1 → kafka: the change did not happen"), "{error}");
}

#[tokio::test]
async fn a_setting_that_a_connection_contradicts_is_found_out() {
    let stage = Stage::set().await;
    stage.links.set_down("kafka").await.expect("it goes down");
    let _intruder = TcpListener::bind(stage.listen).await.expect("the port is free");
    let error = stage
        .links
        .inject(0, std::slice::from_ref(&stage.link), LinkFault::Refuse)
        .await
        .expect_err("somebody accepts");
    assert!(matches!(error, LinkError::Probe { .. }), "{error}");
}

#[tokio::test]
async fn a_link_whose_port_was_taken_meanwhile_says_so() {
    let stage = Stage::set().await;
    stage.links.set_down("kafka").await.expect("it goes down");
    let intruder = TcpListener::bind(stage.listen).await.expect("the port is free");
    let error = stage.links.set_up("kafka").await.expect_err("the port is taken");
    assert!(error.to_string().contains("another program may have taken the port"), "{error}");
    drop(intruder);
    stage.links.set_up("kafka").await.expect("the port is free again");
    assert!(stage.works().await);
}

#[tokio::test]
async fn a_link_on_a_taken_port_is_not_made() {
    let (toxiproxy, server) = (Toxiproxy::start().await, Echo::start().await);
    let mut taken = spec(&Link::new("api-1", "kafka"), server.address);
    taken.listen = server.address;
    let error = Links::create(toxiproxy.api, vec![taken]).await.expect_err("the port is taken");
    assert!(error.to_string().contains("address already in use"), "{error}");
}

#[tokio::test]
async fn a_link_that_is_not_there_is_named_with_those_that_are() {
    let stage = Stage::set().await;
    let error =
        stage.links.inject(0, &[Link::new("api-2", "kafka")], LinkFault::Refuse).await.expect_err("no such link");
    assert_eq!(error.to_string(), "there is no link api-2 → kafka; there are: api-1 → kafka");
}

#[tokio::test]
async fn a_dead_toxiproxy_is_an_error_and_no_panic() {
    let mut stage = Stage::set().await;
    stage.inject(0, LinkFault::Refuse).await;
    stage.toxiproxy.kill().await;
    for error in [
        stage
            .links
            .inject(1, std::slice::from_ref(&stage.link), LinkFault::Partition)
            .await
            .expect_err("nobody does it"),
        stage.links.heal(0).await.expect_err("nobody does it"),
        stage.links.heal_all().await.expect_err("nobody does it"),
    ] {
        assert!(matches!(error, LinkError::Unreachable { .. }), "{error}");
        assert!(error.to_string().contains("it has ended or never started"), "{error}");
    }
    let nobody = free_address().await;
    let error = Links::create(nobody, Vec::new()).await.expect_err("nobody is there");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_heal_is_bounded_also_on_a_link_whose_client_does_not_read() {
    let stage = Stage::set().await;
    stage.inject(0, latency(20)).await;
    let busy = Client::connect(stage.listen).await.expect("a slow link accepts");
    let chunk = vec![b'x'; 1 << 16];
    let flood = async {
        let mut last_taken = Instant::now();
        while last_taken.elapsed() < Duration::from_millis(300) {
            if stage.server.say(&chunk) > 0 {
                last_taken = Instant::now();
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(SOON, flood).await.expect("the buffers between the server and the client fill up");
    let started = Instant::now();
    let detail = stage.heal(0).await;
    assert!(started.elapsed() < Duration::from_secs(12), "{:?}", started.elapsed());
    assert!(detail.contains("its proxy was deleted and created again"), "{detail}");
    drop(busy);
    assert!(stage.works().await);
}

#[tokio::test]
async fn a_heal_that_failed_can_be_tried_again() {
    let stage = Stage::set().await;
    stage.inject(0, LinkFault::Refuse).await;
    let intruder = TcpListener::bind(stage.listen).await.expect("the port is free");
    let error = stage.links.heal(0).await.expect_err("the port is taken");
    assert!(matches!(error, LinkError::NotListening { .. }), "{error}");
    drop(intruder);
    stage.heal(0).await;
    assert!(stage.works().await);
}
