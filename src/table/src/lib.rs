//! Replicated tables of mergeable rows: key encoding, local apply with hooks, digests.
