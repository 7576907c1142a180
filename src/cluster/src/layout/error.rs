//! Why a change of the layout was refused.

use base::NodeId;

/// What the operator can correct.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// A bad zone name.
    #[error("a zone has a name of 1 to 64 bytes without control characters")]
    ZoneName,
    /// Bad tags.
    #[error("a node has at most 32 tags of 1 to 64 bytes without control characters")]
    Tags,
    /// Too small to hold anything.
    #[error("the capacity of a storage node is at least 1024 bytes")]
    CapacityTooSmall,
    /// Outside 1..=3.
    #[error("the replication factor lies between 1 and 3")]
    ReplicationRange,
    /// Outside 1..=replication factor.
    #[error("the zone redundancy lies between 1 and the replication factor, {copies}")]
    ZoneRedundancyRange {
        /// The replication factor.
        copies: u8,
    },
    /// The node has no role to remove.
    #[error("node {0} has no role, and none is staged")]
    NoSuchRole(NodeId),
    /// Another version was expected.
    #[error(
        "the next layout version is {expected}, not {given}: look at the staged changes again, then apply"
    )]
    WrongVersion {
        /// The number it must have.
        expected: u64,
        /// The number given.
        given: u64,
    },
    /// Nobody would store anything.
    #[error("a layout needs at least one storage node: give one node a capacity")]
    NoStorageNode,
    /// Fewer storage nodes than copies.
    #[error("{copies} copies need {copies} storage nodes, and there is {nodes}")]
    NotEnoughNodes {
        /// Copies wanted.
        copies: u8,
        /// Storage nodes.
        nodes: usize,
    },
    /// Fewer zones than the redundancy asks for.
    #[error("copies in {wanted} zones need storage nodes in {wanted} zones, and there is {zones}")]
    NotEnoughZones {
        /// Zones wanted.
        wanted: u8,
        /// Zones with a storage node.
        zones: usize,
    },
    /// Two versions are in force.
    #[error(
        "version {newest} is still replacing the one before it: wait until `garage layout show` says that it \
         is done, then apply again"
    )]
    ChangeUnderWay {
        /// The newer one.
        newest: u64,
    },
    /// Only storage nodes can be given up.
    #[error(
        "node {0} stores nothing by the layout in force: there is nothing to forget; `garage layout remove` takes its role"
    )]
    StoresNothing(NodeId),
    /// Whoever is asked is there.
    #[error("this node cannot forget itself: run this on a node that remains")]
    GivesUpItself,
    /// Nobody would be left.
    #[error(
        "in {partitions} partitions nobody else keeps a copy: forgetting would lose everything there; \
         bring one of their nodes back, or restore a backup"
    )]
    NobodyLeft {
        /// In how many.
        partitions: usize,
    },
    /// Two that are thought to be gone may still answer together.
    #[error(
        "node {unaware} has not heard that node {earlier} was forgotten: wait until it is there and has, or, if \
         neither ever comes back, name both at once"
    )]
    EarlierNotKnown {
        /// Who was given up before.
        earlier: NodeId,
        /// Who does not know of it.
        unaware: NodeId,
    },
}
