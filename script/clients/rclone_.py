"""rclone: copy, sync, check by hash, move, touch (a copy onto itself), streams, both listing versions."""

import tree
from command import ask, tool
from home import equal, true
from suite import Suite


def _prepare(home):
    return ask([tool("rclone"), "version"], home).splitlines()[0]


SUITE = Suite("rclone_", _prepare)


def _rclone(home, *words, provider="Other", **more):
    environment = dict(
        RCLONE_CONFIG="/dev/null", RCLONE_CONFIG_S_TYPE="s3", RCLONE_CONFIG_S_PROVIDER=provider,
        RCLONE_CONFIG_S_ACCESS_KEY_ID=home.key_id, RCLONE_CONFIG_S_SECRET_ACCESS_KEY=home.secret,
        RCLONE_CONFIG_S_ENDPOINT=home.endpoint, RCLONE_CONFIG_S_REGION=home.region,
        RCLONE_CONFIG_S_FORCE_PATH_STYLE="true", RCLONE_S3_CHUNK_SIZE="5M", RCLONE_S3_UPLOAD_CUTOFF="6M",
        RCLONE_RETRIES="1", RCLONE_LOW_LEVEL_RETRIES="1",
    )
    return ask([tool("rclone"), *words], home, **environment, **more)


def _add_for_providers():
    # Provider AWS sends trailers, which rclone does only over TLS.
    for provider in ["Other", "Minio"]:
        def run(home, provider=provider):
            _sync(home, provider)

        SUITE.case(f"sync a tree there and back, check hashes, as provider {provider}")(run)


def _sync(home, provider):
    folder, bucket = home.folder("rclone"), home.unique("rclone")
    tree.make(folder / "in")
    call = lambda *words: _rclone(home, *words, provider=provider)
    call("mkdir", f"S:{bucket}")
    call("sync", folder / "in", f"S:{bucket}/dir")
    call("check", folder / "in", f"S:{bucket}/dir")
    call("sync", f"S:{bucket}/dir", folder / "out")
    tree.same(folder / "in", folder / "out")
    equal(len(call("lsf", "-R", "--files-only", f"S:{bucket}").split("\n")) - 1, len(tree.files(folder / "in")), "lsf")
    (folder / "in" / "plain.txt").unlink()
    call("sync", folder / "in", f"S:{bucket}/dir")
    true("plain.txt" not in call("lsf", f"S:{bucket}/dir"), "sync removes")
    call("purge", f"S:{bucket}")
    true(bucket not in call("lsd", "S:"), "purged")


_add_for_providers()


@SUITE.case("moveto, copyto, touch, rcat, cat with offset, size, cleanup")
def objects(home):
    bucket = home.new_bucket("rcloneobj")
    _rclone(home, "rcat", f"S:{bucket}/k", input_bytes=b"0123456789" * 1000000)
    equal(_rclone(home, "cat", "--offset", "5", "--count", "3", f"S:{bucket}/k"), "567", "cat of a range")
    _rclone(home, "copyto", f"S:{bucket}/k", f"S:{bucket}/copy")
    _rclone(home, "moveto", f"S:{bucket}/copy", f"S:{bucket}/moved")
    _rclone(home, "touch", "-t", "2020-01-02T03:04:05", f"S:{bucket}/moved")
    true("2020-01-02 03:04:05" in _rclone(home, "lsl", f"S:{bucket}/moved"), "the time that touch set")
    true(home.s3.get_object(Bucket=bucket, Key="moved")["Body"].read() == b"0123456789" * 1000000, "bytes after touch")
    true("20000000" in _rclone(home, "size", "--json", f"S:{bucket}"), "size")
    _rclone(home, "cleanup", f"S:{bucket}")
    _rclone(home, "mkdir", f"S:{bucket}")
