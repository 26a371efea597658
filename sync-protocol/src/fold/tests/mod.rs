//! Tests of the fold: against the oracle, in every order, by law, by cost.

mod agreement;
mod ancestry;
mod cost;
mod generate;
mod laws;
mod met;
mod order;
mod pairs;
mod redaction;
mod retraction;
mod sorted;
mod total;
