//! Tests of the rules, on a real store in a temporary folder.
