//! Object ownership: to whom objects belong, and whether access control lists count at all.

use crate::s3::error::S3Error;
use crate::s3::settings;
use model::rows::bucket::{BucketRow, Setting};
use serde::{Deserialize, Serialize};

/// To whom the objects of a bucket belong. The names are those of AWS, and of the stored setting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ownership {
    /// To the bucket's owner; access control lists do not count and cannot be set.
    BucketOwnerEnforced,
    /// To the bucket's owner, if the writer says so by `bucket-owner-full-control`; else to the writer.
    BucketOwnerPreferred,
    /// To the writer. As on AWS, this is what a bucket has of which nothing was said; but unlike on AWS, nothing
    /// is said of new buckets (doc/decisions/0006).
    #[default]
    ObjectWriter,
}

impl Ownership {
    const ALL: [Self; 3] = [Self::BucketOwnerEnforced, Self::BucketOwnerPreferred, Self::ObjectWriter];

    /// What holds in a bucket.
    pub fn of(bucket: &BucketRow) -> Result<Self, S3Error> {
        Ok(settings::read(bucket, Setting::Ownership)?.unwrap_or_default())
    }

    /// AWS's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::BucketOwnerEnforced => "BucketOwnerEnforced",
            Self::BucketOwnerPreferred => "BucketOwnerPreferred",
            Self::ObjectWriter => "ObjectWriter",
        }
    }

    /// What AWS's name means.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ownership| ownership.name() == name)
    }
}
