//! The inputs that fuzzing found, replayed over stored records and keys, what nodes say to each other, state files and
//! block files. The targets stand in script/fuzz, where `script/fuzz/run` looks for new ones.

#[path = "../../../script/fuzz/src/targets/block_file.rs"]
mod block_file;
#[path = "../../../script/fuzz/src/targets/corpus.rs"]
mod corpus;
#[path = "../../../script/fuzz/src/targets/forms.rs"]
mod forms;
#[path = "../../../script/fuzz/src/targets/frames.rs"]
mod frames;
#[path = "../../../script/fuzz/src/targets/messages.rs"]
mod messages;
#[path = "../../../script/fuzz/src/targets/meter.rs"]
mod meter;
#[path = "../../../script/fuzz/src/targets/records.rs"]
mod records;
#[path = "../../../script/fuzz/src/targets/state_files.rs"]
mod state_files;

#[global_allocator]
static METER: meter::Meter = meter::Meter;

#[test]
fn stored_records() {
    corpus::replay("records", records::check);
}

#[test]
fn frames_between_nodes() {
    corpus::replay("frames", frames::check);
}

#[test]
fn messages_between_nodes() {
    corpus::replay("messages", messages::check);
}

#[test]
fn state_files_and_layouts() {
    corpus::replay("state_files", state_files::check);
}

#[test]
fn files_of_blocks() {
    corpus::replay("block_file", block_file::check);
}
