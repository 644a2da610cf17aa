//! The judge of logs, tried in four ways: against what genuine Jepsen says, on histories written by hand, against a slow
//! judge that follows the definitions word by word, and with nonsense.

mod agreement;
mod budget;
mod cycle;
mod golden;
mod random;
mod reach;
mod record;
mod reference;
mod told;
