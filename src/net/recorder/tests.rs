//! The recorder with disks that are slow, full or gone.
