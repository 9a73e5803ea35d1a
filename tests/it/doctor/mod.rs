//! `snapkeep doctor` on files, servers and stores, well and sick: whole outputs.

mod local;
mod servers;
mod stores;
