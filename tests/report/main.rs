//! Metrics and reports of a made-up run: figures, files, pages in a real browser. Needs no servers.

mod browser;
mod cluster;
mod figures;
mod files;
mod matrix;
mod sample;
mod sweep;
mod wire;
