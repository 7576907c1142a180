"""s5cmd (AWS SDK for Go): many small files in parallel, wildcards, pipes."""

import tree
from command import ask, tool
from home import equal, true
from suite import Suite


def _prepare(home):
    return "s5cmd " + ask([tool("s5cmd"), "version"], home).strip()


SUITE = Suite("s5cmd_", _prepare)


def _s5cmd(home, *words, **more):
    return ask([tool("s5cmd"), "--endpoint-url", home.endpoint, "--retry-count", "0", *words], home, **more)


@SUITE.case("make a bucket, copy a tree there and back, wildcards, remove all")
def copy(home):
    folder, bucket = home.folder("s5cmd"), home.unique("s5cmd")
    tree.make(folder / "in", many=300)
    _s5cmd(home, "mb", f"s3://{bucket}")
    _s5cmd(home, "cp", "-p", "5", f"{folder}/in/", f"s3://{bucket}/dir/")
    _s5cmd(home, "cp", f"s3://{bucket}/dir/*", f"{folder}/out/")
    tree.same(folder / "in", folder / "out")
    found = _s5cmd(home, "ls", f"s3://{bucket}/dir/many/*").strip().splitlines()
    equal(len(found), 300, "ls with a wildcard")
    true(_s5cmd(home, "du", f"s3://{bucket}/*").strip(), "du")
    _s5cmd(home, "mv", f"s3://{bucket}/dir/big.bin", f"s3://{bucket}/moved.bin")
    _s5cmd(home, "rm", f"s3://{bucket}/*")
    _s5cmd(home, "rb", f"s3://{bucket}")


@SUITE.case("pipe and cat")
def pipe(home):
    bucket, body = home.new_bucket("s5pipe"), b"s5" * 4000000
    _s5cmd(home, "pipe", f"s3://{bucket}/k", input_bytes=body)
    equal(len(_s5cmd(home, "cat", f"s3://{bucket}/k")), len(body), "length")
