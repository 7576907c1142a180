"""What benchmarks need of a client: one that tries nothing twice."""

import boto3
from botocore.config import Config


def client(endpoint, key, secret):
    """boto3 as one user of an endpoint."""
    config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0})
    return boto3.client("s3", endpoint_url=endpoint, aws_access_key_id=key, aws_secret_access_key=secret,
                        region_name="us-east-1", config=config)
