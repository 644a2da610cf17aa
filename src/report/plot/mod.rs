//! Plots as SVG, drawn by plotters, legible on light and dark pages: colours are CSS variables.
//!
//! In reading order:
//! - [`run`]: which plots a run has
//! - [`cluster`]: what a cluster did, as letters on every plot over time, and a plot of its own
//! - `wire`: what the taps saw
//! - [`chart`]: lines and bars on axes with units; fault windows shaded, moments marked
//! - [`axis`]: round ticks, linear and logarithmic
//! - [`svg`]: from plotters' fixed colours to CSS variables; a plot as a file of its own

pub mod axis;
pub mod chart;
pub mod cluster;
pub mod run;
pub mod svg;
mod wire;

pub use run::of_run;
pub use svg::Plot;
