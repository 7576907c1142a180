//! Tests of the committer and the envelope.
