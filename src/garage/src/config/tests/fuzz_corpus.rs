//! The inputs that fuzzing found, replayed. The target stands in script/fuzz, where `script/fuzz/run` looks for
//! new ones.

#[path = "../../../../../script/fuzz/src/targets/corpus.rs"]
mod corpus;
#[path = "../../../../../script/fuzz/src/targets/meter.rs"]
mod meter;
#[path = "../../../../../script/fuzz/src/targets/config.rs"]
mod target;

#[test]
fn configurations() {
    corpus::replay("config", target::check);
}
