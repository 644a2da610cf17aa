//! The pages: self-contained (style and drawings inline), no script, no request, readable from 360 px to a wide screen,
//! light and dark, on paper and by a screen reader.
//!
//! In reading order:
//! - [`run`]: the page `report.html`
//! - [`comparison`]: the page `comparison.html`
//! - [`matrix`]: the page `matrix.html`
//! - [`sweep`]: the page `sweep.html`
//! - [`stage`]: the load stage by stage, in both pages
//! - [`story`]: an anomaly, step by step
//! - [`table`]: the tables of a run; `wire`, `anatomy`: what passed on its links, and for one operation
//! - [`page`]: what both pages share

mod anatomy;
pub mod comparison;
pub mod matrix;
pub mod page;
pub mod run;
pub mod stage;
pub mod story;
pub mod sweep;
pub mod table;
mod wire;
