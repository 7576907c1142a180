//! State files against damage and crashes, first start and restart, health.

mod crash;
mod damage;
mod health;

use crate::layout::Role;
use crate::{ClusterOptions, FirstLayout};
use base::NodeId;
use env::Env;
use std::path::Path;

pub fn role(zone: &str) -> Role {
    Role { zone: zone.to_owned(), capacity_bytes: Some(1 << 30), tags: Vec::new() }
}

pub fn options(folder: &Path) -> ClusterOptions {
    ClusterOptions {
        folder: folder.to_owned(),
        secret: None,
        first_layout: FirstLayout::OneNode(role("home")),
        hostname: "pc".to_owned(),
        address: None,
    }
}

pub fn real_env() -> Env {
    env::real::env()
}

pub fn stranger() -> NodeId {
    NodeId::from_bytes([7; 32])
}
