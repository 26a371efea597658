//! The policy table against the real server: every route × every role × whose the object is. What is expected is computed
//! from the table; that the table says what the field wants is held in [`table`].

mod crawl;
mod leaks;
mod table;
mod walk;
mod world;
