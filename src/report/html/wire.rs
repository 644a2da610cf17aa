//! What passed on the links, as the taps counted it.

use maud::{Markup, html};

use crate::history::entry::WireSample;
use crate::metrics::Metrics;
use crate::report::sentence::grouped;

/// A counter of a link: its column's head and its value.
type Column = (&'static str, fn(&WireSample) -> u64);

/// Every counter; those that stayed 0 on all links are not shown.
const COLUMNS: [Column; 17] = [
    ("messages", |link| link.messages),
    ("bytes", |link| link.bytes),
    ("bytes not read", |link| link.opaque_bytes),
    ("compressed messages", |link| link.opaque_frames),
    ("messages without sense", |link| link.malformed_frames),
    ("connections", |link| link.connections_opened),
    ("write conflicts", |link| link.write_conflicts),
    ("duplicate keys", |link| link.duplicate_keys),
    ("updates that matched nothing", |link| link.unmatched_updates),
    ("transactions begun", |link| link.transactions_begun),
    ("committed", |link| link.transactions_committed),
    ("aborted", |link| link.transactions_aborted),
    ("begun again", |link| link.transactions_retried),
    ("commits sent again", |link| link.commits_sent_again),
    ("writes sent again", |link| link.writes_sent_again),
    ("batches sent again", |link| link.batches_sent_again),
    ("offset commits", |link| link.offset_commits),
];

/// The section; nothing where no taps stood.
pub(super) fn section(metrics: &Metrics) -> Markup {
    let is_used = |column: &&Column| metrics.wire.values().any(|link| column.1(link) > 0);
    let columns: Vec<&Column> = COLUMNS.iter().filter(is_used).collect();
    html! {
        @if !metrics.wire.is_empty() {
            h2 { "What passed on the links" }
            p.note {
                "Counted by taps between each link's proxy and the server, over the whole run: nothing of it had to be told by a service. "
                "Connections: how many were ever opened."
                @if metrics.wire.values().any(|link| link.is_encrypted) {
                    " A link with TLS shows no messages."
                }
            }
            div.scroll {
                table {
                    thead { tr {
                        th scope="col" { "link" }
                        @for (head, _) in &columns { th.number.wide scope="col" { (head) } }
                    } }
                    tbody { @for (name, link) in &metrics.wire {
                        tr {
                            th scope="row" { (name) @if link.is_encrypted { " (TLS)" } }
                            @for (_, value) in &columns { td.number { (grouped(value(link))) } }
                        }
                    } }
                }
            }
        }
    }
}
