"""s3cmd: an old and widely scripted client with its own ideas of signatures, metadata and multipart."""

import urllib.request

import tree
from command import ask, tool
from home import equal, true
from suite import Suite


def _prepare(home):
    return ask([tool("s3cmd"), "--version"], home).strip()


SUITE = Suite("s3cmd_", _prepare)


def _s3cmd(home, *words, **more):
    config = home.work_dir / "s3cfg"
    config.write_text(
        f"[default]\naccess_key = {home.key_id}\nsecret_key = {home.secret}\nhost_base = 127.0.0.1:{home.port}\n"
        f"host_bucket = 127.0.0.1:{home.port}\nuse_https = False\nbucket_location = {home.region}\n"
    )
    return ask([tool("s3cmd"), "-c", config, "--no-progress", *words], home, **more)


@SUITE.case("make a bucket, sync a tree there and back, remove all")
def sync(home):
    folder, bucket = home.folder("s3cmd"), home.unique("s3cmd")
    tree.make(folder / "in", big_bytes=17 * 1024 * 1024)
    _s3cmd(home, "mb", f"s3://{bucket}")
    _s3cmd(home, "--multipart-chunk-size-mb=5", "sync", f"{folder}/in/", f"s3://{bucket}/dir/")
    (folder / "out").mkdir()
    _s3cmd(home, "sync", f"s3://{bucket}/dir/", f"{folder}/out/")
    tree.same(folder / "in", folder / "out")
    true("DIR" in _s3cmd(home, "ls", f"s3://{bucket}/"), "ls shows the folder")
    true(_s3cmd(home, "du", f"s3://{bucket}/").strip(), "du")
    _s3cmd(home, "del", "--recursive", "--force", f"s3://{bucket}/")
    _s3cmd(home, "rb", f"s3://{bucket}")


@SUITE.case("info, copy, move, modify metadata, signed URL")
def objects(home):
    folder, bucket = home.folder("s3cmdobj"), home.new_bucket("s3cmdobj")
    (folder / "f").write_bytes(b"object")
    _s3cmd(home, "put", "--add-header=x-amz-meta-a:1", folder / "f", f"s3://{bucket}/k")
    true("MD5 sum" in _s3cmd(home, "info", f"s3://{bucket}/k"), "info")
    _s3cmd(home, "cp", f"s3://{bucket}/k", f"s3://{bucket}/copied")
    _s3cmd(home, "mv", f"s3://{bucket}/copied", f"s3://{bucket}/moved")
    _s3cmd(home, "modify", "--add-header=content-type:text/new", f"s3://{bucket}/moved")
    head = home.s3.head_object(Bucket=bucket, Key="moved")
    equal((head["ContentType"], head["ContentLength"]), ("text/new", 6), "after modify")
    equal(head["Metadata"].get("a"), "1", "metadata survives")


@SUITE.case("publish and hide an object")
def acl(home):
    folder, bucket = home.folder("s3cmdacl"), home.new_bucket("s3cmdacl")
    (folder / "f").write_bytes(b"public")
    _s3cmd(home, "put", "--acl-public", folder / "f", f"s3://{bucket}/k")
    url = f"{home.endpoint}/{bucket}/k"
    with urllib.request.urlopen(url, timeout=10) as answer:
        equal(answer.read(), b"public", "without a signature")
    true("*anon*: READ" in _s3cmd(home, "info", f"s3://{bucket}/k"), "info")
    _s3cmd(home, "setacl", "--acl-private", f"s3://{bucket}/k")
    true("*anon*" not in _s3cmd(home, "info", f"s3://{bucket}/k"), "hidden")
    _s3cmd(home, "setacl", "--acl-public", f"s3://{bucket}")
    with urllib.request.urlopen(f"{home.endpoint}/{bucket}", timeout=10) as answer:
        true(b"<Key>k</Key>" in answer.read(), "the bucket is listed")
