//! One operation: its attempts one after another, and their entries in the history.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Method, Request};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::client::{Answer, Client};
use super::lateness::is_own_shortage;
use super::outcome::{Ending, is_worth_retrying, of_attempt, of_operation};
use super::phases::Phases;
use super::progress::Progress;
use crate::history::entry::{Attempt, Complete, Entry, Invoke, Nanos, Outcome, Part};
use crate::history::recorder::Recorder;
use crate::scenario::file::Retry;
use crate::scenario::plan::{Plan, PlannedOperation};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// When an operation was meant to start, and when the generator let it go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Release {
    pub(super) number: u64,
    pub(super) due: Nanos,
    pub(super) released: Nanos,
    pub(super) part: Part,
}

/// Everything that operations share.
#[derive(Debug)]
pub(super) struct Office {
    pub(super) plan: Arc<Plan>,
    /// By kind: its method, and the base address of each instance.
    pub(super) routes: Vec<Route>,
    pub(super) client: Client,
    pub(super) timeout: Duration,
    pub(super) retry: Retry,
    pub(super) recorder: Recorder,
    pub(super) progress: Arc<Progress>,
    pub(super) phases: Phases,
    /// The run is interrupted: no operation and no further attempt begins.
    pub(super) cancellation: CancellationToken,
    /// The load is over, or interrupted: no operation begins.
    pub(super) over: CancellationToken,
}

/// Where the operations of one kind go.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) bases: Vec<String>,
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    /// What a closed loop needs to know.
    pub(super) reached: Reached,
    pub(super) outcome: Outcome,
    /// The last answer's status, or why there was none.
    pub(super) told: Result<u16, String>,
}

/// Whether anybody was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reached {
    Target,
    Nobody,
}

impl Office {
    /// Carries out one operation for a client. Nothing is awaited before its invocation is queued.
    pub(super) async fn carry_out(&self, release: Release, client: u32) -> Ended {
        let operation = self.plan.operation(release.number);
        let kind = &self.plan.kinds()[operation.kind];
        let mut sent = self.recorder.now();
        self.phases.enter_until(sent);
        self.recorder.record(Entry::Invoke(Invoke {
            at: sent,
            due: release.due,
            released: release.released,
            operation: operation.id.clone(),
            kind: kind.name.clone(),
            part: release.part,
            client,
            instance: kind.instances[operation.instance].clone(),
            values: operation.values.clone(),
        }));
        let late = Duration::from_nanos(release.released.saturating_sub(release.due));
        self.progress.start(sent, release.part, late);

        let mut attempt = 1;
        let mut outcome = None;
        let answer = loop {
            let answer = self.attempt(&operation, attempt).await;
            let judged = of_attempt(answer.ending, &kind.spec.ok, &kind.spec.fail);
            outcome = Some(of_operation(outcome, judged));
            let again = attempt < self.retry.attempts && is_worth_retrying(answer.ending, judged);
            if !again || !self.pause().await {
                break answer;
            }
            attempt += 1;
            sent = self.recorder.now();
            self.recorder.record(Entry::Attempt(Attempt {
                at: sent,
                operation: operation.id.clone(),
                number: attempt,
                key: self.key(&operation, attempt),
                instance: kind.instances[self.instance(&operation, attempt)].clone(),
            }));
        };
        let outcome = outcome.unwrap_or(Outcome::Info);
        self.complete(&operation, release, &answer, outcome, sent, attempt);
        let reached = if answer.ending == Ending::NeverSent { Reached::Nobody } else { Reached::Target };
        let told = answer.status().ok_or_else(|| answer.error.unwrap_or_default());
        Ended { reached, outcome, told }
    }

    async fn attempt(&self, operation: &PlannedOperation, number: u32) -> Answer {
        match self.request(operation, number) {
            Ok(request) => self.client.send(request).await,
            Err(error) => Answer::never_sent(format!("no request can be made of it: {error}")),
        }
    }

    /// Waits before a further attempt; false when there shall be none.
    async fn pause(&self) -> bool {
        tokio::select! {
            () = self.cancellation.cancelled() => false,
            () = tokio::time::sleep(self.retry.pause) => true,
        }
    }

    fn request(&self, operation: &PlannedOperation, attempt: u32) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let route = &self.routes[operation.kind];
        let base = &route.bases[self.instance(operation, attempt)];
        // Each attempt is a span of its own in the operation's trace; a span id must not be 0.
        let span = operation.span.wrapping_add(u64::from(attempt)).max(1);
        let mut request = Request::builder()
            .method(route.method.clone())
            .uri([base.as_str(), &operation.path].concat())
            .header(IDEMPOTENCY_KEY, HeaderValue::try_from(self.key(operation, attempt))?)
            .header(TRACEPARENT, HeaderValue::try_from(format!("00-{:032x}-{span:016x}-01", operation.trace))?);
        let body = operation.body.as_ref().map(|body| Bytes::copy_from_slice(body));
        if body.is_some() && operation.headers.iter().all(|(name, _)| !name.eq_ignore_ascii_case("content-type")) {
            request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in &operation.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(body.unwrap_or_default()))
    }

    fn key(&self, operation: &PlannedOperation, attempt: u32) -> String {
        if attempt == 1 || self.retry.same_key { operation.id.clone() } else { format!("{}.{attempt}", operation.id) }
    }

    /// A further attempt goes to the next instance, as behind a load balancer.
    fn instance(&self, operation: &PlannedOperation, attempt: u32) -> usize {
        (operation.instance + attempt as usize - 1) % self.routes[operation.kind].bases.len()
    }

    fn complete(
        &self,
        operation: &PlannedOperation,
        release: Release,
        answer: &Answer,
        outcome: Outcome,
        sent: Nanos,
        attempts: u32,
    ) {
        let at = self.recorder.now();
        self.recorder.record(Entry::Complete(Complete {
            at,
            operation: operation.id.clone(),
            outcome,
            status: answer.status(),
            error: answer.error.clone(),
            sent,
            attempts,
            kept: kept(&self.plan.kinds()[operation.kind].spec.keep, &answer.body),
        }));
        if release.part == Part::Load && answer.error.as_deref().is_some_and(is_own_shortage) {
            self.progress.could_not_send();
        }
        self.progress.end(at, release.part, outcome, Duration::from_nanos(at.saturating_sub(release.due)));
    }
}

/// The fields of an answer that the manifest keeps; those that are not there are left out.
fn kept(pointers: &indexmap::IndexMap<String, String>, body: &[u8]) -> BTreeMap<String, Value> {
    if pointers.is_empty() || body.is_empty() {
        return BTreeMap::new();
    }
    let Ok(answer) = serde_json::from_slice::<Value>(body) else { return BTreeMap::new() };
    pointers.iter().filter_map(|(name, pointer)| Some((name.clone(), answer.pointer(pointer)?.clone()))).collect()
}
