"""awscli: the one from PyPI, and Debian's 2.9 where it is installed (the last generation before the new checksums)."""

import json
import urllib.error
import urllib.request

import tree
from command import ask, system_tool, tool
from home import equal, true
from suite import Suite

PROGRAMS = {}


def _prepare(home):
    PROGRAMS["PyPI"] = tool("aws")
    return ask([PROGRAMS["PyPI"], "--version"], home).strip()


SUITE = Suite("awscli_", _prepare)


def _for_both(title):
    """Adds the case once for each generation of awscli; Debian's is skipped when it is not installed."""

    def add(function):
        SUITE.case(f"{title} (PyPI)")(lambda home: function(home, _aws(home, PROGRAMS["PyPI"])))
        SUITE.case(f"{title} (Debian)")(lambda home: function(home, _aws(home, _debian())))
        return function

    return add


def _debian():
    return system_tool("aws", "Debian's awscli 2.9: script/test --install-clients")


def _aws(home, program):
    # Debian's awscli runs with the system's Python, never with that of the virtual environment.
    environment = {"PYTHONNOUSERSITE": "1"}

    def call(*words, **more):
        pager = ["--no-cli-pager"] if program.startswith("/usr") else []
        return ask([program, "--endpoint-url", home.endpoint, *pager, *words], home, **environment, **more)

    return call


@_for_both("make a bucket, sync a tree there and back, remove all")
def sync(home, aws):
    folder, bucket = home.folder("aws"), home.unique("aws")
    tree.make(folder / "in")
    aws("s3", "mb", f"s3://{bucket}")
    aws("s3", "sync", "--only-show-errors", folder / "in", f"s3://{bucket}/dir/")
    equal(aws("s3", "sync", folder / "in", f"s3://{bucket}/dir/").strip(), "", "a second sync copies nothing")
    aws("s3", "sync", "--only-show-errors", f"s3://{bucket}/dir/", folder / "out")
    tree.same(folder / "in", folder / "out")
    true("PRE dir/" in aws("s3", "ls", f"s3://{bucket}/"), "ls shows the folder")
    aws("s3", "mv", "--only-show-errors", f"s3://{bucket}/dir/big.bin", f"s3://{bucket}/moved.bin")
    aws("s3", "cp", "--only-show-errors", f"s3://{bucket}/moved.bin", folder / "moved.bin")
    true((folder / "moved.bin").read_bytes() == (folder / "in/big.bin").read_bytes(), "bytes after mv")
    aws("s3", "rb", "--force", f"s3://{bucket}")
    true(bucket not in aws("s3", "ls"), "the bucket is gone")


@_for_both("s3api: put, head, list, presign, errors")
def api(home, aws):
    folder, bucket = home.folder("awsapi"), home.unique("awsapi")
    (folder / "f").write_bytes(b"api")
    aws("s3api", "create-bucket", "--bucket", bucket)
    aws("s3api", "put-object", "--bucket", bucket, "--key", "k", "--body", folder / "f", "--metadata", "a=1")
    head = json.loads(aws("s3api", "head-object", "--bucket", bucket, "--key", "k"))
    equal((head["ContentLength"], head["Metadata"]), (3, {"a": "1"}), "head")
    listed = json.loads(aws("s3api", "list-objects-v2", "--bucket", bucket))
    equal([entry["Key"] for entry in listed["Contents"]], ["k"], "list")
    # The first generation of awscli presigns with the old version 2 unless told otherwise.
    (folder / "config").write_text("[default]\ns3 =\n  signature_version = s3v4\n")
    url = aws("s3", "presign", f"s3://{bucket}/k", AWS_CONFIG_FILE=str(folder / "config")).strip().splitlines()[-1]
    with urllib.request.urlopen(url, timeout=10) as answer:
        equal(answer.read(), b"api", "presigned")
    text = aws("s3api", "get-object", "--bucket", bucket, "--key", "none", folder / "x", wanted_code=None)
    true("NoSuchKey" in text, f"error text {text}")


@_for_both("publish and hide an object")
def acl(home, aws):
    folder, bucket = home.folder("awsacl"), home.new_bucket("awsacl")
    (folder / "f").write_bytes(b"public")
    aws("s3", "cp", "--only-show-errors", "--acl", "public-read", folder / "f", f"s3://{bucket}/k")
    url = f"{home.endpoint}/{bucket}/k"
    with urllib.request.urlopen(url, timeout=10) as answer:
        equal(answer.read(), b"public", "without a signature")
    aws("s3api", "put-object-acl", "--bucket", bucket, "--key", "k", "--acl", "private")
    grants = json.loads(aws("s3api", "get-object-acl", "--bucket", bucket, "--key", "k"))["Grants"]
    equal([grant["Permission"] for grant in grants], ["FULL_CONTROL"], "grants")
    try:
        urllib.request.urlopen(url, timeout=10)
    except urllib.error.HTTPError as error:
        equal(error.code, 403, "hidden")
    else:
        raise AssertionError("a hidden object was shown")


@_for_both("stream from and to a pipe")
def pipe(home, aws):
    bucket, body = home.new_bucket("awspipe"), b"pipe" * 5000000
    aws("s3", "cp", "--only-show-errors", "-", f"s3://{bucket}/k", input_bytes=body)
    true(home.s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body, "bytes")
