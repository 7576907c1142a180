//! Buckets, keys, objects, versions, uploads: every rule of the store. No HTTP.
