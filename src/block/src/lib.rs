//! Content-addressed blocks on one or many disks: files, reference counts, scrub.
