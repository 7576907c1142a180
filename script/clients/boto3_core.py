"""The core of S3 through boto3 and through raw signed requests: one table of all its cases."""

import boto3_access
import boto3_acl
import boto3_buckets
import boto3_checksums
import boto3_conditional
import boto3_cors
import boto3_forms
import boto3_keys
import boto3_list
import boto3_multipart
import boto3_objects
import boto3_policy
import boto3_tags
from suite import Suite

SUITE = Suite("boto3_core")
for _part in (
    boto3_buckets, boto3_objects, boto3_list, boto3_multipart, boto3_conditional, boto3_checksums, boto3_keys,
    boto3_access, boto3_cors, boto3_tags, boto3_forms, boto3_policy, boto3_acl,
):
    for _title, _case in _part.SUITE.cases:
        SUITE.cases.append((f"{_part.SUITE.name}: {_title}", _case))
