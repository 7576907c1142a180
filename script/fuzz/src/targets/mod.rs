//! Every fuzz target: a name and what must hold for any input. The folder `corpus` has one folder for each.

pub mod admin_json;
pub mod block_file;
pub mod body;
pub mod config;
pub mod form;
pub mod forms;
pub mod frames;
pub mod messages;
pub mod meter;
pub mod policy;
pub mod records;
pub mod request;
pub mod settings;
pub mod signature;
mod signer;
pub mod state_files;
mod text_request;
pub mod xml;

/// A target: its name, and the check that panics when something does not hold.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("admin_json", admin_json::check),
    ("block_file", block_file::check),
    ("chunked_body", body::check),
    ("config", config::check),
    ("form", form::check),
    ("frames", frames::check),
    ("messages", messages::check),
    ("policy", policy::check),
    ("records", records::check),
    ("request", request::check),
    ("settings", settings::check),
    ("signature", signature::check),
    ("state_files", state_files::check),
    ("xml_complete", xml::complete),
    ("xml_create_bucket", xml::create_bucket),
    ("xml_delete", xml::delete),
];
