//! The inputs that fuzzing found, replayed over stored records and keys. The target stands in script/fuzz, where
//! `script/fuzz/run` looks for new ones.

#[path = "../../../script/fuzz/src/targets/corpus.rs"]
mod corpus;
#[path = "../../../script/fuzz/src/targets/meter.rs"]
mod meter;
#[path = "../../../script/fuzz/src/targets/records.rs"]
mod records;

#[global_allocator]
static METER: meter::Meter = meter::Meter;

#[test]
fn stored_records() {
    corpus::replay("records", records::check);
}
