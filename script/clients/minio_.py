"""minio-py: streams with unknown length, its own multipart, presigned URLs, listing with start-after."""

import io
import urllib.request

from home import Skip, equal, true
from suite import Suite


def _prepare(_):
    try:
        import minio
    except ImportError:
        raise Skip("minio is not installed") from None
    return f"minio {minio.__version__}"


SUITE = Suite("minio_", _prepare)


def _client(home):
    import minio

    return minio.Minio(f"127.0.0.1:{home.port}", access_key=home.key_id, secret_key=home.secret, secure=False,
                       region=home.region)


@SUITE.case("buckets")
def buckets(home):
    client, name = _client(home), home.unique("minio")
    client.make_bucket(name)
    true(client.bucket_exists(name), "exists")
    true(name in [bucket.name for bucket in client.list_buckets()], "listed")
    client.remove_bucket(name)
    true(not client.bucket_exists(name), "gone")


@SUITE.case("objects, ranges, copy, stat, unknown length")
def objects(home):
    from minio.commonconfig import CopySource

    client, bucket = _client(home), home.new_bucket("minioobj")
    body = bytes(range(256)) * 50000
    client.put_object(bucket, "dir/k ü+", io.BytesIO(body), len(body), metadata={"a": "1"})
    stat = client.stat_object(bucket, "dir/k ü+")
    equal((stat.size, stat.metadata.get("x-amz-meta-a")), (len(body), "1"), "stat")
    true(client.get_object(bucket, "dir/k ü+").read() == body, "bytes")
    equal(client.get_object(bucket, "dir/k ü+", offset=10, length=5).read(), body[10:15], "range")
    client.put_object(bucket, "stream", io.BytesIO(body), -1, part_size=5 * 1024 * 1024)
    true(client.get_object(bucket, "stream").read() == body, "unknown length")
    client.copy_object(bucket, "copy", CopySource(bucket, "dir/k ü+"))
    true(client.get_object(bucket, "copy").read() == body, "copy")
    names = [entry.object_name for entry in client.list_objects(bucket, recursive=True)]
    equal(names, ["copy", "dir/k ü+", "stream"], "list")
    equal([entry.object_name for entry in client.list_objects(bucket)], ["copy", "stream", "dir/"], "list with folders")


@SUITE.case("presigned URLs and bulk delete")
def presigned(home):
    from minio.deleteobjects import DeleteObject

    client, bucket = _client(home), home.new_bucket("miniopre")
    request = urllib.request.Request(client.presigned_put_object(bucket, "k"), data=b"pre", method="PUT")
    urllib.request.urlopen(request, timeout=10).close()
    with urllib.request.urlopen(client.presigned_get_object(bucket, "k"), timeout=10) as answer:
        equal(answer.read(), b"pre", "bytes")
    for number in range(30):
        client.put_object(bucket, f"n{number}", io.BytesIO(b"x"), 1)
    errors = list(client.remove_objects(bucket, [DeleteObject(f"n{number}") for number in range(30)]))
    equal((errors, [entry.object_name for entry in client.list_objects(bucket)]), ([], ["k"]), "after bulk delete")
