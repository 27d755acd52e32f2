//! Files: trait BlockStore and its keepers.
