//! Metrics and reports of a made-up run: figures, files, pages in a real browser. Needs no servers.

mod browser;
mod figures;
mod files;
mod sample;
