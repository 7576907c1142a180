"""Every way a body may be framed and signed, and each of them spoiled."""

import gzip

from hashes import checksum, header
from home import equal, refused, true
from signing import (
    STREAM_SIGNED, STREAM_SIGNED_TRAILER, STREAM_UNSIGNED_TRAILER, UNSIGNED, Signer, exchange, send,
)
from suite import Suite

SUITE = Suite("payload modes")
BODY = bytes(range(256)) * 1200  # 300 KiB: several chunks of 64 KiB


def _stream(home, bucket, mode, body=BODY, trailer=None, spoil=None, extra=None, decoded=None, break_chunk=None):
    """One aws-chunked PUT of `body` to the key `k`; `spoil` may change the framed bytes."""
    signer, headers = Signer(home), {"x-amz-decoded-content-length": str(len(body) if decoded is None else decoded)}
    headers["content-encoding"] = "aws-chunked"
    if trailer:
        headers["x-amz-trailer"] = trailer[0]
    headers.update(extra or {})
    signed = signer.headers("PUT", f"/{bucket}/k", (), headers, mode)
    framed = signer.chunks(body, mode, trailer, break_chunk=break_chunk)
    if spoil:
        framed = spoil(framed)
    return exchange(home.port, "PUT", f"/{bucket}/k", signed, framed)


def _holds(home, bucket, body=BODY):
    true(home.s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body, "the body as sent, without its frames")


def _crc(body=BODY):
    return header("CRC32"), checksum("CRC32", body)


@SUITE.case("UNSIGNED-PAYLOAD")
def unsigned(home):
    bucket = home.new_bucket("unsignedp")
    equal(send(home, "PUT", f"/{bucket}/k", body=BODY, payload=UNSIGNED).status, 200, "status")
    _holds(home, bucket)


@SUITE.case("signed chunks")
def signed_chunks(home):
    bucket = home.new_bucket("chunks")
    for body in [BODY, b"", b"x", BODY * 8]:
        answer = _stream(home, bucket, STREAM_SIGNED, body)
        equal(answer.status, 200, f"{len(body)} bytes: {answer}")
        _holds(home, bucket, body)


@SUITE.case("signed chunks with a trailer")
def signed_trailer(home):
    bucket = home.new_bucket("trailer")
    answer = _stream(home, bucket, STREAM_SIGNED_TRAILER, trailer=_crc())
    equal(answer.status, 200, f"answer {answer}")
    _holds(home, bucket)
    head = home.s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    equal(head.get("ChecksumCRC32"), _crc()[1], "the trailer's checksum is stored")


@SUITE.case("unsigned chunks with a trailer, every algorithm")
def unsigned_trailer(home):
    bucket = home.new_bucket("utrailer")
    for algorithm in ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]:
        trailer = (header(algorithm), checksum(algorithm, BODY))
        answer = _stream(home, bucket, STREAM_UNSIGNED_TRAILER, trailer=trailer)
        equal(answer.status, 200, f"{algorithm}: {answer}")
        _holds(home, bucket)
        found = home.s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED").get("Checksum" + algorithm)
        equal(found, trailer[1], f"{algorithm} is stored")


@SUITE.case("a part as unsigned chunks with a trailer")
def part(home):
    bucket = home.new_bucket("upart")
    names = dict(Bucket=bucket, Key="k")
    names["UploadId"] = home.s3.create_multipart_upload(**names)["UploadId"]
    query, signer = [("partNumber", "1"), ("uploadId", names["UploadId"])], Signer(home)
    headers = {"x-amz-decoded-content-length": str(len(BODY)), "x-amz-trailer": _crc()[0], "content-encoding": "aws-chunked"}
    signed = signer.headers("PUT", f"/{bucket}/k", query, headers, STREAM_UNSIGNED_TRAILER)
    framed = signer.chunks(BODY, STREAM_UNSIGNED_TRAILER, _crc())
    target = f"/{bucket}/k?partNumber=1&uploadId={names['UploadId']}"
    answer = exchange(home.port, "PUT", target, signed, framed)
    equal(answer.status, 200, f"answer {answer}")
    parts = {"Parts": [{"PartNumber": 1, "ETag": answer.headers["etag"]}]}
    home.s3.complete_multipart_upload(**names, MultipartUpload=parts)
    _holds(home, bucket)


@SUITE.case("aws-chunked leaves the stored Content-Encoding")
def encoding(home):
    bucket, body = home.new_bucket("gzip"), gzip.compress(BODY)
    for sent, stored in [("gzip,aws-chunked", "gzip"), ("aws-chunked, gzip", "gzip"), ("aws-chunked", None)]:
        answer = _stream(home, bucket, STREAM_SIGNED, body, extra={"content-encoding": sent})
        equal(answer.status, 200, f"{sent}: {answer}")
        equal(send(home, "HEAD", f"/{bucket}/k").headers.get("content-encoding"), stored, f"stored for {sent}")


@SUITE.case("a spoiled stream is refused with the right code and leaves nothing")
def spoiled(home):
    bucket = home.new_bucket("spoiled")
    wrong = (header("CRC32"), checksum("CRC32", b"other"))
    cut = lambda framed: framed[: len(framed) // 2]
    flip = lambda framed: framed.replace(b"\x07\x08\x09", b"\x07\x08\x0a", 1)
    for what, code, arguments in [
        ("chunk signature", ("SignatureDoesNotMatch",), dict(mode=STREAM_SIGNED, break_chunk=1)),
        ("last chunk's signature", ("SignatureDoesNotMatch",), dict(mode=STREAM_SIGNED, break_chunk=5)),
        ("a byte of a signed chunk", ("SignatureDoesNotMatch",), dict(mode=STREAM_SIGNED, spoil=flip)),
        ("trailer checksum", ("BadDigest",), dict(mode=STREAM_UNSIGNED_TRAILER, trailer=wrong)),
        ("trailer checksum, signed", ("BadDigest",), dict(mode=STREAM_SIGNED_TRAILER, trailer=wrong)),
        ("a byte under a trailer", ("BadDigest",), dict(mode=STREAM_UNSIGNED_TRAILER, trailer=_crc(), spoil=flip)),
        ("cut in the middle", ("IncompleteBody", "InvalidRequest"), dict(mode=STREAM_UNSIGNED_TRAILER, trailer=_crc(), spoil=cut)),
        ("decoded length too small", ("IncompleteBody", "InvalidRequest"), dict(mode=STREAM_SIGNED, decoded=10)),
        ("decoded length too large", ("IncompleteBody", "InvalidRequest"), dict(mode=STREAM_SIGNED, decoded=len(BODY) + 1)),
        ("not framed at all", ("IncompleteBody", "InvalidRequest", "SignatureDoesNotMatch"), dict(mode=STREAM_SIGNED, spoil=lambda f: BODY)),
        ("absurd chunk size", ("InvalidRequest", "IncompleteBody", "InvalidChunkSizeError"),
         dict(mode=STREAM_UNSIGNED_TRAILER, trailer=_crc(), spoil=lambda f: b"f" * 17 + f)),
    ]:
        answer = _stream(home, bucket, **arguments)
        status = 403 if answer.code() == "SignatureDoesNotMatch" else 400
        true(answer.code() in code and answer.status == status, f"{what}: {answer}, wanted {code}")
        refused("404", 404, home.s3.head_object, Bucket=bucket, Key="k")


@SUITE.case("the seed signature of an unsigned stream is checked")
def seed(home):
    bucket, signer = home.new_bucket("seed"), Signer(home, secret="w" * 64)
    headers = {"x-amz-decoded-content-length": str(len(BODY)), "x-amz-trailer": _crc()[0]}
    signed = signer.headers("PUT", f"/{bucket}/k", (), headers, STREAM_UNSIGNED_TRAILER)
    answer = exchange(home.port, "PUT", f"/{bucket}/k", signed, signer.chunks(BODY, STREAM_UNSIGNED_TRAILER, _crc()))
    equal((answer.status, answer.code()), (403, "SignatureDoesNotMatch"), "answer")


@SUITE.case("a body cut by the client leaves nothing")
def cut_body(home):
    import socket

    bucket = home.new_bucket("cut")
    headers = Signer(home).headers("PUT", f"/{bucket}/k", (), {"content-length": "3000000"}, UNSIGNED)
    lines = [f"PUT /{bucket}/k HTTP/1.1"] + [f"{name}: {value}" for name, value in headers.items()]
    with socket.create_connection(("127.0.0.1", home.port), timeout=10) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode() + b"x" * 1500000)
    refused("404", 404, home.s3.head_object, Bucket=bucket, Key="k")


@SUITE.case("an unknown payload mode is refused")
def unknown_mode(home):
    bucket = home.new_bucket("mode")
    for mode in ["STREAMING-SOMETHING-ELSE", "nonsense", ""]:
        answer = send(home, "PUT", f"/{bucket}/k", body=b"x", payload=mode or "x" * 63)
        true(400 <= answer.status < 500 or answer.status == 501, f"{mode}: {answer}")
