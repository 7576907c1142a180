//! HTTP: the S3 API and the admin API; one error map, one signature check, one body pipeline.

pub mod admin;
pub mod body;
pub mod checksum;
mod connection;
pub mod dates;
mod decimal;
pub mod metrics;
mod network;
mod patience;
pub mod proxies;
pub mod s3;
pub mod server;
pub mod signature;
pub mod sizes;
pub mod tls;
pub mod web;
pub mod webhook;
