//! The vocabulary: typed ids and hashes, stamps, names, limits, mergeable values. Pure: no async, no I/O.
