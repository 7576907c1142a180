//! The S3 operations, one file each: what it needs, what it does, what it answers.

pub mod abort_multipart_upload;
pub mod complete_multipart_upload;
pub mod copy_object;
pub mod copy_source;
pub mod create_bucket;
pub mod create_multipart_upload;
pub mod delete_bucket;
pub mod delete_bucket_cors;
pub mod delete_bucket_tagging;
pub mod delete_object;
pub mod delete_object_tagging;
pub mod delete_objects;
pub mod get_bucket_cors;
pub mod get_bucket_location;
pub mod get_bucket_tagging;
pub mod get_object;
pub mod get_object_attributes;
pub mod get_object_tagging;
pub mod head_bucket;
pub mod head_object;
pub mod list_buckets;
pub mod list_multipart_uploads;
pub mod list_objects;
pub mod list_objects_v2;
pub mod list_parts;
pub mod post_object;
pub mod put_bucket_cors;
pub mod put_bucket_tagging;
pub mod put_object;
pub mod put_object_tagging;
pub mod upload_part;
pub mod upload_part_copy;

mod listing;
mod upload_name;
