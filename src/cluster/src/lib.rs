//! Who is in the cluster, and the layout: which node keeps which part of the hash space.
