//! Local transactional metadata: typed keyspaces, versioned record envelopes, group commit, the embedded engine behind one trait.
