//! The whole program, run as people run it: real commands in an empty folder, on the local cloud.

mod bad_world;
mod catalog;
mod clients;
mod conformance;
mod crash;
mod datagen;
mod dbt;
mod docs;
mod drift;
mod http;
mod import;
mod json;
mod lakehouse;
mod local_cloud;
mod moto;
mod python;
mod readme;
mod sandbox;
mod served;
mod sql_clients;
mod team;
mod transcripts;
