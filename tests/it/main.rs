//! The whole program, run as people run it: real commands in an empty folder, on the local cloud.

mod catalog;
mod clients;
mod conformance;
mod datagen;
mod docs;
mod drift;
mod lakehouse;
mod local_cloud;
mod python;
mod readme;
mod sandbox;
mod served;
mod transcripts;
