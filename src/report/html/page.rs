//! What both pages share: the shell, figures, the verdict's badge.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::checker::verdict::Judgement;
use crate::report::plot::Plot;
use crate::report::plot::svg::VARIABLES;
use crate::report::sentence;

/// The pages' style.
const STYLE: &str = include_str!("style.css");

/// A whole page.
pub fn page(title: &str, body: &Markup) -> String {
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                // Nothing may be fetched, whatever a system under test wrote into its texts.
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:";
                // An empty icon of its own: a browser would ask the server for one.
                link rel="icon" href="data:,";
                title { (title) }
                style { (PreEscaped(VARIABLES)) (PreEscaped(STYLE)) }
            }
            body { main { (body) } }
        }
    };
    document.into_string()
}

/// A plot with its title and caption.
pub fn figure(plot: &Plot) -> Markup {
    html! {
        figure {
            figcaption { strong { (plot.title) } " " span { (plot.caption) } }
            (PreEscaped(&plot.svg))
        }
    }
}

/// The verdict, by sign, word and colour.
pub fn badge(judgement: &Judgement) -> Markup {
    let class = match (judgement.as_expected, judgement.verdict) {
        (true, _) => "badge good",
        (false, crate::checker::verdict::Verdict::Unknown) => "badge unsure",
        (false, _) => "badge bad",
    };
    let expectation = if judgement.as_expected { "as expected" } else { "not as expected" };
    html! { span class=(class) { (sentence::verdict(judgement.verdict)) ", " (expectation) } }
}

/// A command to copy.
pub fn command(text: &str) -> Markup {
    html! { pre.command { code { (text) } } }
}

/// A value, or a dash where nothing was measured.
pub fn or_dash(value: Option<String>) -> String {
    value.unwrap_or_else(|| "–".to_owned())
}
