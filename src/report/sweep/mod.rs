//! A sweep told: what came out in words, and its messages as a sequence diagram with a cell for each point.
//!
//! In reading order:
//! - [`words`]: what was done, what came of it
//! - [`size`]: for which screen a diagram is drawn
//! - [`layout`]: where everything of a diagram stands (pure geometry)
//! - [`diagram`]: drawn, as SVG
//! - [`drawing`]: the strokes that it is made of
//! - [`junit`]: the file `junit.xml`

pub mod diagram;
pub mod drawing;
pub mod junit;
pub mod layout;
pub mod size;
pub mod words;
